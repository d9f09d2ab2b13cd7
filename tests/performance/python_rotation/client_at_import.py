"""The same, with the client made once, at import, as AWS's guide advises ("initialize SDK clients outside of the function
handler", *Best practices for working with AWS Lambda functions*)."""

import lambda_function

client = lambda_function.secrets_manager()


def lambda_handler(event, context):
    lambda_function.run(client, event["SecretId"], event["ClientRequestToken"], event["Step"])
