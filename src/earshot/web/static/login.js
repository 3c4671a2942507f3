"use strict";
// A link from another site comes without the strict cookie: ask once more from here whether we are logged in already.
const form = document.getElementById("login");
if (!("refused" in form.dataset)) {
  fetch("/whoami", { headers: { Accept: "application/json" } }).then((answer) => {
    if (answer.status === 204) location.replace(form.dataset.next);
  }).catch(() => {});
}
