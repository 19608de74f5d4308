#!/usr/bin/env python3
"""Hops from 500 addresses along an R-MAT graph, three hops in one direction: PostgreSQL's recursive
query over its best index, networkx, and our labels, query only, everything loaded, rounds in turn.

`cargo bench --no-run --bench exposure`, then `benches/other_tools.py PROGRAM [millions] [rounds]`,
where PROGRAM is what cargo built. Ours builds the labels of both directions, which is more than the
others are asked for. Needs the programs of PostgreSQL (a server is made in a temporary folder, on
loopback, as the user `postgres` where this runs as root) and the package networkx; what is absent
is said and left out.
"""

import glob
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HOPS = 3
# Depth by depth every address once: UNION drops what is there already at the same depth.
QUERY = f"""
WITH RECURSIVE reached(node, hops) AS (
  SELECT node, 0 FROM seeds
  UNION
  SELECT e.target, r.hops + 1 FROM reached r JOIN edges e ON e.source = r.node WHERE r.hops < {HOPS}
)
SELECT count(*) FROM (SELECT node, min(hops) FROM reached GROUP BY node) AS nearest;
"""


class PostgreSQL:
    """A server with the graph in memory, and the time of a query."""

    name = "PostgreSQL"

    def __init__(self, folder):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        initdb = shutil.which("initdb") or (found[-1] if found else None)
        if not initdb:
            raise LookupError("no initdb: PostgreSQL is not installed")
        self.programs = pathlib.Path(initdb).resolve().parent
        # Its server refuses to run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.user = self.user if os.getuid() == 0 else []
        self.data = folder / "postgresql"
        self.data.mkdir()
        if self.user:
            shutil.chown(self.data, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.run("initdb", "-D", self.data / "db", "-U", "bench", "-A", "trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.data} -c fsync=off"
        options += " -c shared_buffers=2GB -c work_mem=512MB -c jit=off -c max_wal_size=4GB"
        log = self.data / "log"
        self.run("pg_ctl", "-D", self.data / "db", "-l", log, "-w", "-o", options, "start")
        try:
            self.load(folder)
        except BaseException:
            self.close()
            raise

    def load(self, folder):
        self.ask("CREATE UNLOGGED TABLE edges (source int, target int)", "CREATE TABLE seeds (node int)")
        for table in ("edges", "seeds"):
            self.ask(f"\\copy {table} FROM '{folder}/{table}.csv' WITH (FORMAT csv)")
        # Covering: the query reads nothing but the index.
        self.ask("CREATE INDEX ON edges (source) INCLUDE (target);")
        self.ask("VACUUM ANALYZE edges;")
        self.ask("ANALYZE seeds;")

    def run(self, program, *arguments):
        command = [*self.user, self.programs / program, *arguments]
        done = subprocess.run(command, cwd="/", capture_output=program != "pg_ctl", text=True)
        if done.returncode:
            raise LookupError(f"{program} failed: {done.stderr}")
        return done.stdout

    def ask(self, *commands):
        asked = ["-h", "127.0.0.1", "-p", self.port, "-U", "bench", "-d", "postgres", "-qAt"]
        for command in commands:
            asked += ["-c", command]
        return subprocess.run(
            [self.programs / "psql", *asked], capture_output=True, text=True, check=True
        ).stdout

    def query(self):
        said = self.ask("\\timing on", QUERY)
        count, took = re.search(r"(\d+)\s+Time: ([\d.]+) ms", said).groups()
        return float(took) / 1e3, int(count)

    def close(self):
        self.run("pg_ctl", "-D", self.data / "db", "-m", "immediate", "stop")


class Networkx:
    """The graph as a DiGraph, and the time of a search from all seeds at once."""

    name = "networkx"

    def __init__(self, folder):
        try:
            import networkx
        except ImportError as error:
            raise LookupError("networkx is not installed") from error
        self.graph = networkx.DiGraph()
        with open(folder / "edges.csv") as edges:
            self.graph.add_edges_from(tuple(map(int, line.split(","))) for line in edges)
        with open(folder / "seeds.csv") as seeds:
            self.seeds = {int(line) for line in seeds}
        self.layers = networkx.bfs_layers

    def query(self):
        start = time.perf_counter()
        reached = 0
        # The range comes first: the layer beyond the last is never made.
        for _, layer in zip(range(HOPS + 1), self.layers(self.graph, self.seeds)):
            reached += len(layer)
        return time.perf_counter() - start, reached

    def close(self):
        pass


def ours(program, millions):
    """The labels of both directions: median of a few, by the bench."""
    printed = subprocess.run(
        [program, "--bench", str(millions), "5", str(HOPS)], capture_output=True, text=True, check=True
    ).stdout
    figure, unit = re.search(r"labels ([\d.]+)(ms|s) are", printed).groups()
    return float(figure) / (1e3 if unit == "ms" else 1)


def main():
    program = sys.argv[1]
    millions = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        subprocess.run(
            [program, "--bench", str(millions), "--graph", folder], check=True, stdout=subprocess.DEVNULL
        )
        tools = []
        for make in (PostgreSQL, Networkx):
            try:
                tools.append(make(folder))
            except LookupError as absent:
                print(f"{make.name}: left out: {absent}")
        times = {"ours": []}
        try:
            for _ in range(rounds):
                times["ours"].append(ours(program, millions))
                for tool in tools:
                    took, reached = tool.query()
                    times.setdefault(tool.name, []).append(took)
                    print(f"{tool.name}: {took:.3f} s, {reached} reached; ours {times['ours'][-1]:.4f} s")
        finally:
            for tool in tools:
                tool.close()
        for tool in tools:
            ratios = [theirs / mine for theirs, mine in zip(times[tool.name], times["ours"])]
            median = statistics.median(ratios)
            verdict = "PASS" if median >= 50 else "FAIL"
            print(
                f"{verdict}: {tool.name} {statistics.median(times[tool.name]):.2f} s is {median:.0f}x ours"
                f" ({min(ratios):.0f}..{max(ratios):.0f}; goal 50)"
            )


if __name__ == "__main__":
    main()
