# SPDX-License-Identifier: Apache-2.0
"""Reads heap snapshots with the parser of Chrome DevTools itself, as headless Chromium brings it along."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import browser  # noqa: E402

# DevTools runs this module in a worker; on a page of the same origin it can be imported, too.
WORKER = "devtools://devtools/bundled/entrypoints/heap_snapshot_worker/heap_snapshot_worker.js"
PIECE = 4 << 20

START = """(async () => {
  window.worker = await import("%s");
  window.snapshots = [];
  return true;
})()""" % WORKER

LOAD = """(() => {
  window.problems = [];
  window.loader = new worker.HeapSnapshotLoader.HeapSnapshotLoader(
      {sendEvent: (name, data) => { if (/Broken/i.test(name)) problems.push(data); }});
})()"""

# The part of the second thread runs here, too; it tells the console what it finds broken.
BUILD = """(async () => {
  loader.close();
  const channel = new MessageChannel();
  const warn = console.warn;
  console.warn = (text) => problems.push(text);
  new worker.HeapSnapshot.SecondaryInitManager(channel.port2);
  snapshots.push(await loader.buildSnapshot(channel.port1));
  console.warn = warn;
  const one = snapshots[snapshots.length - 1];
  return [problems, one.nodeCount, one.totalSize, one.getStatistics()];
})()"""

NODES = """(() => {
  const nodes = [];
  for (let it = snapshots[%d].allNodes(); it.hasNext(); it.next()) {
    const node = it.item();
    nodes.push([node.id(), node.type(), node.name(), node.selfSize(), node.retainedSize(), node.distance()]);
  }
  return nodes;
})()"""

CLASSES = """(() => {
  const result = [];
  const found = snapshots[%d].getAggregatesByClassKey(false, "allObjects");
  for (const key in found)
    result.push([found[key].name, found[key].count, found[key].self, found[key].maxRet]);
  return result;
})()"""

RETAINERS = """(() => {
  const snapshot = snapshots[%d], result = [];
  for (let it = snapshot.createNode(snapshot.nodeIndexForId(%d)).retainers(); it.hasNext(); it.next())
    result.push([it.item().toString(), it.item().node().name()]);
  return result;
})()"""

DIFFERENCE = """(() => {
  const found = snapshots[%d].calculateSnapshotDiff("%d", snapshots[%d].aggregatesForDiff("[]")), result = [];
  for (const key in found)
    result.push([found[key].name, found[key].addedCount, found[key].removedCount, found[key].addedSize]);
  return result;
})()"""


class Parsed:
    """What DevTools made of one file."""

    def __init__(self, devtools, index, found):
        self.devtools = devtools
        self.index = index
        self.problems, self.node_count, self.total, self.statistics = found

    def nodes(self):
        """[[id, type, name, self size, retained size, distance]]"""
        return self.devtools.page.evaluate(NODES % self.index)

    def classes(self):
        """{constructor: (count, shallow size, retained size)}: the summary."""
        return {row[0]: tuple(row[1:]) for row in self.devtools.page.evaluate(CLASSES % self.index)}

    def retainers(self, node_id):
        """[[edge, name of the node]]: the lower half of the panel."""
        return self.devtools.page.evaluate(RETAINERS % (self.index, node_id))

    def since(self, before):
        """{constructor: (added, removed, bytes added)}: the comparison."""
        rows = self.devtools.page.evaluate(DIFFERENCE % (self.index, before.index, before.index))
        return {row[0]: tuple(row[1:]) for row in rows}


class DevTools:
    """A page that has DevTools' modules; reads any number of files."""

    def __init__(self, chromium):
        self.page = chromium.open(os.path.dirname(os.path.abspath(__file__)))
        self.page.go(WORKER)
        self.page.evaluate(START)
        self.count = 0

    def parse(self, path):
        self.page.evaluate(LOAD)
        with open(path, encoding="utf-8") as file:
            for piece in iter(lambda: file.read(PIECE), ""):
                self.page.evaluate("void loader.write(%s)" % json.dumps(piece))
        self.count += 1
        return Parsed(self, self.count - 1, self.page.evaluate(BUILD))
