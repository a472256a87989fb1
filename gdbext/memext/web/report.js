// SPDX-License-Identifier: Apache-2.0
// What moves in py-report's page: the map that is zoomed by click, tables that sort, trees that unfold.
// Reads the outline from #outline; its shape is reportpage.py's outline_data(). Layout is d3's partition.
(function () {
  "use strict";
  // Of the map: pixels of the narrowest column, of the lowest cell that is drawn, and of the lowest one with its name.
  const COLUMN = 150, LOWEST = 2, LABELLED = 11;
  const KINDS = ["modules and other roots", "containers", "texts and numbers", "instances of classes",
                 "functions, types and code", "raw memory", "together: what is too small"];
  const CONTAINERS = /^(dict|list|set|frozenset|tuple|collections\..*|.*\.(deque|defaultdict|OrderedDict))$/;
  const VALUES = /^(str|bytes|bytearray|int|float|complex|bool|NoneType|memoryview|array\.array|decimal\..*|datetime\..*)$/;
  const PROGRAM = /^(function|type|code|frame|cell|method|property|module|generator|coroutine|builtin_function_or_method|.*descriptor|staticmethod|classmethod|traceback)$/;

  function element(tag, attributes, text) {
    const one = document.createElement(tag);
    for (const name in attributes) one.setAttribute(name, attributes[name]);
    if (text !== undefined) one.textContent = text;
    return one;
  }

  function number(value) { return value.toLocaleString("en-US"); }

  // Three digits and a unit, as table.size() writes it.
  function size(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    if (value < 1024) return value + " B";
    for (; value >= 1023.5 && unit < 4; unit++) value /= 1024;
    return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + units[unit];
  }

  // As retaining.percent() writes it.
  function percent(share) {
    share *= 100;
    return share.toFixed(share >= 1 || !share ? 1 : 2) + " %";
  }

  function readOutline() {
    const data = JSON.parse(document.getElementById("outline").textContent);
    const nodes = data.parent.map(function (parent, i) {
      return {type: data.types[data.type[i]], name: data.name[i], count: data.count[i], own: data.own[i],
              retained: data.retained[i], address: data.address[i], children: [], index: i};
    });
    for (let i = 1; i < nodes.length; i++) {
      nodes[i].above = nodes[data.parent[i]];
      nodes[data.parent[i]].children.push(nodes[i]);
    }
    return nodes[0];
  }

  function kind(node) {
    if (node.type === "rest") return 6;
    if (!node.above || !node.above.above) return 0;
    if (node.type === "raw block") return 5;
    if (CONTAINERS.test(node.type)) return 1;
    if (VALUES.test(node.type)) return 2;
    return PROGRAM.test(node.type) ? 4 : 3;
  }

  function title(node) {
    if (node.type === "rest") return number(node.count) + " smaller ones";
    if (!node.above) return "the heap";
    if (!node.above.above) return node.type;
    if (node.count > 1) return number(node.count) + " × " + node.type;
    return node.name || node.type;
  }

  function describe(node, whole, unit) {
    const lines = [title(node)];
    if (node.count === 1 && node.name && node.above && node.above.above) lines[0] += " = " + node.type;
    if (node.address) lines[0] += " at " + node.address;
    lines.push(size(node.retained) + ", " + percent(node.retained / whole) + " of " + unit
               + (node.children.length && node.own ? "; " + size(node.own) + " its own" : ""));
    return lines;
  }

  function Map(box, crumbs, detail) {
    this.box = box;
    this.crumbs = crumbs;
    this.detail = detail;
    const data = readOutline();
    this.root = d3.hierarchy(data).sum(function (node) { return node.own; })
      .sort(function (a, b) { return (a.data.type === "rest") - (b.data.type === "rest") || b.value - a.value; });
    d3.partition()(this.root);
    this.whole = data.retained || 1;
    this.unit = box.dataset.unit;
    this.cells = {};
    this.focus = this.root;
    this.draw();
  }

  // The nodes to draw: those of a visible height, and for the others of a parent, which are its last, one filler.
  Map.prototype.visible = function (columns) {
    const found = [], pending = [this.focus], height = this.box.clientHeight || 480;
    const least = LOWEST / height * (this.focus.x1 - this.focus.x0);
    while (pending.length) {
      const node = pending.pop();
      found.push(node);
      if (!node.children || node.filler || node.depth - this.focus.depth + 1 >= columns) continue;
      const small = node.children.filter(function (child) { return child.x1 - child.x0 < least; });
      for (const child of node.children)
        if (child.x1 - child.x0 >= least) pending.push(child);
      if (small.length) found.push(filler(node, small));
    }
    return found;
  };

  // Stands for children that are too low to be drawn: a click shows their parent, where they are higher.
  function filler(node, small) {
    const sum = function (of) { return small.reduce(function (total, child) { return total + of(child); }, 0); };
    const data = {type: "rest", name: "", count: sum(function (child) { return child.data.count; }), own: 0,
                  retained: sum(function (child) { return child.value; }), address: "", children: [],
                  above: node.data, index: "small" + node.data.index};
    return {data: data, filler: node, depth: node.depth + 1, x0: Math.min(...small.map(function (one) { return one.x0; })),
            x1: Math.max(...small.map(function (one) { return one.x1; }))};
  }

  Map.prototype.draw = function () {
    const width = this.box.clientWidth || 1000, height = this.box.clientHeight || 480;
    const columns = Math.max(2, Math.min(Math.floor(width / COLUMN), this.focus.height + 1));
    const shown = this.visible(columns), kept = {};
    const scale = 1 / (this.focus.x1 - this.focus.x0 || 1);
    for (const node of shown) {
      const key = node.data.index, cell = this.cells[key] || this.make(node);
      const top = (node.x0 - this.focus.x0) * scale, tall = (node.x1 - node.x0) * scale;
      const left = (node.depth - this.focus.depth) / columns;
      // A leaf reaches to the right edge: what is not divided further leaves no hole.
      cell.style.left = 100 * left + "%";
      cell.style.width = 100 * (node.children ? 1 / columns : 1 - left) + "%";
      cell.style.top = 100 * top + "%";
      cell.style.height = 100 * tall + "%";
      this.label(cell, node, tall * height);
      kept[key] = cell;
    }
    for (const key in this.cells)
      if (!kept[key]) this.cells[key].remove();
    this.cells = kept;
    this.drawCrumbs();
    this.tell(this.focus);
  };

  Map.prototype.make = function (node) {
    const self = this, cell = element("div", {class: "cell" + (node.children || node.filler ? "" : " leaf"), "data-index": node.data.index});
    cell.style.background = "var(--k" + kind(node.data) + ")";
    cell.title = describe(node.data, this.whole, this.unit).join("\n");
    const target = node.filler || node;
    if (target.children) {
      cell.tabIndex = 0;
      cell.setAttribute("role", "button");
      cell.addEventListener("click", function () { self.zoom(target); });
      cell.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); self.zoom(target); }
      });
    }
    cell.addEventListener("mouseenter", function () { self.tell(node); });
    this.box.append(cell);
    return cell;
  };

  Map.prototype.label = function (cell, node, pixels) {
    cell.textContent = "";
    cell.classList.toggle("low", pixels < 17);
    cell.style.padding = pixels < LABELLED ? "0" : "";
    if (pixels < LABELLED) return;
    cell.append(element("b", {}, title(node.data)));
    const more = node.data.count === 1 && node.data.name ? node.data.type + ", " : "";
    if (pixels >= 33) cell.append(element("small", {}, more + size(node.data.retained)));
    else cell.append(" " + size(node.data.retained));
  };

  // Into a cell, and out again by a click on the cell that fills the first column.
  Map.prototype.zoom = function (node) {
    this.focus = node === this.focus && node.parent ? node.parent : node;
    this.draw();
  };

  Map.prototype.drawCrumbs = function () {
    const self = this;
    this.crumbs.textContent = "";
    this.focus.ancestors().reverse().forEach(function (node, i) {
      if (i) self.crumbs.append(" › ");
      if (node === self.focus) {
        self.crumbs.append(element("b", {}, title(node.data)), " " + size(node.data.retained));
        return;
      }
      const button = element("button", {type: "button"}, title(node.data));
      button.addEventListener("click", function () { self.zoom(node); });
      self.crumbs.append(button);
    });
  };

  Map.prototype.tell = function (node) {
    const lines = describe(node.data, this.whole, this.unit);
    this.detail.textContent = "";
    this.detail.append(element("b", {}, lines[0]), element("br", {}), lines[1]);
    if (node.data.address) this.detail.append("  ", element("code", {}, "py-path " + node.data.address));
  };

  function startMap() {
    const box = document.getElementById("map");
    if (!box || typeof d3 === "undefined") return;
    const map = new Map(box, document.getElementById("crumbs"), document.getElementById("detail"));
    const legend = document.getElementById("legend");
    KINDS.forEach(function (text, i) {
      const entry = element("span", {}), key = element("i", {class: "key"});
      key.style.background = "var(--k" + i + ")";
      entry.append(key, text);
      legend.append(entry);
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "Escape" && map.focus.parent) map.zoom(map.focus.parent);
    });
    let waiting = 0;
    window.addEventListener("resize", function () {
      clearTimeout(waiting);
      waiting = setTimeout(function () { map.draw(); }, 100);
    });
  }

  // Cells that are numbers carry them in data-value.
  function sortTable(table, column, descending) {
    const rows = Array.from(table.tBodies[0].rows);
    function key(row) {
      const cell = row.cells[column];
      return cell.dataset.value === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.value);
    }
    rows.sort(function (a, b) {
      const left = key(a), right = key(b);
      const order = left < right ? -1 : left > right ? 1 : 0;
      return descending ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }

  function startTable(table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      const button = element("button", {type: "button"}, head.textContent);
      head.textContent = "";
      head.append(button);
      button.addEventListener("click", function () {
        const text = !table.tBodies[0].rows[0] || table.tBodies[0].rows[0].cells[column].dataset.value === undefined;
        const before = head.getAttribute("aria-sort");
        const descending = before ? before === "ascending" : !text;
        heads.forEach(function (one) { one.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortTable(table, column, descending);
      });
    });
    const total = table.tBodies[0].rows.length;
    if (total <= 10) return;
    const more = element("button", {type: "button", class: "plain"});
    function shut(closed) {
      table.classList.toggle("shut", closed);
      more.textContent = closed ? "show all " + number(total) : "show the first 10";
    }
    more.addEventListener("click", function () { shut(!table.classList.contains("shut")); });
    table.parentElement.after(more);
    shut(true);
  }

  function reveal() {
    const place = location.hash && document.getElementById(location.hash.slice(1));
    for (let one = place; one; one = one.parentElement)
      if (one.tagName === "DETAILS") one.open = true;
    if (place) place.scrollIntoView({block: "center"});
  }

  window.addEventListener("hashchange", reveal);
  document.querySelectorAll("table.sortable").forEach(startTable);
  startMap();
  reveal();
})();
