(function () {
  "use strict";
  function all(open) {
    document.querySelectorAll("details").forEach(function (one) { one.open = open; });
  }
  function reveal() {
    var place = location.hash && document.getElementById(location.hash.slice(1));
    for (var one = place; one; one = one.parentElement)
      if (one.tagName === "DETAILS") one.open = true;
    if (place) place.scrollIntoView({block: "center"});
  }
  document.getElementById("buttons").hidden = false;
  document.getElementById("unfold").onclick = function () { all(true); };
  document.getElementById("fold").onclick = function () { all(false); };
  window.addEventListener("hashchange", reveal);
  reveal();
})();
