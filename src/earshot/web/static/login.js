"use strict";
// A link from another site comes without the strict cookie: ask once more from here whether we are logged in already.
const form = document.getElementById("login");
if (!("refused" in form.dataset)) {
  fetch("/whoami", { headers: { Accept: "application/json" } }).then((answer) => answer.json()).then((who) => {
    if (who.user) location.replace(form.dataset.next);
  }).catch(() => {});
}
