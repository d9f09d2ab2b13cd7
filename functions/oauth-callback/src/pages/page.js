for (const button of document.querySelectorAll("button[data-copy]")) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy");
    }
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
const watched = document.querySelector("[data-watch]");
if (watched) {
  setInterval(async () => {
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      if (answer.status === 429 || answer.status >= 500) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.querySelector("[data-watch]");
      if (!now || now.dataset.watch !== watched.dataset.watch) location.reload();
    } catch {}
  }, 10000);
}
