"""A rotation function of the usual shape, for tests/performance: the calls of AWS's template of four steps, in its order
(github.com/aws-samples/aws-secrets-manager-rotation-lambdas, SecretsManagerRotationTemplate). What is the secret's own,
setSecret and testSecret, is left out there too."""

import logging
import os

import boto3

log = logging.getLogger()
log.setLevel(logging.INFO)


def secrets_manager():
    return boto3.client("secretsmanager", endpoint_url=os.environ["SECRETS_MANAGER_ENDPOINT"])


def lambda_handler(event, context):
    secret, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    # The template makes its client anew in each call.
    run(secrets_manager(), secret, token, step)


def run(client, secret, token, step):
    described = client.describe_secret(SecretId=secret)
    if not described["RotationEnabled"]:
        raise ValueError(f"{secret}: rotation is off")
    labels = described["VersionIdsToStages"].get(token)
    if labels is None:
        raise ValueError(f"{secret}: no version {token}")
    if "AWSCURRENT" in labels:
        log.info("%s: version %s is current already", secret, token)
        return
    if "AWSPENDING" not in labels:
        raise ValueError(f"{secret}: version {token} is not pending")
    STEPS[step](client, secret, token)


def create_secret(client, secret, token):
    client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
    try:
        client.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
    except client.exceptions.ResourceNotFoundException:
        value = client.get_random_password()["RandomPassword"]
        client.put_secret_value(
            SecretId=secret, ClientRequestToken=token, SecretString=value, VersionStages=["AWSPENDING"]
        )
        log.info("%s: version %s is stored", secret, token)


def of_the_secret_itself(client, secret, token):
    raise NotImplementedError


def finish_secret(client, secret, token):
    versions = client.describe_secret(SecretId=secret)["VersionIdsToStages"]
    current = next((version for version, labels in versions.items() if "AWSCURRENT" in labels), None)
    if current == token:
        return
    client.update_secret_version_stage(
        SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
    )
    client.update_secret_version_stage(SecretId=secret, VersionStage="AWSPENDING", RemoveFromVersionId=token)
    log.info("%s: version %s is current", secret, token)


STEPS = {
    "createSecret": create_secret,
    "setSecret": of_the_secret_itself,
    "testSecret": of_the_secret_itself,
    "finishSecret": finish_secret,
}
