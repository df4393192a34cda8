"""A JavaScript engine for what explorers compute in the browser."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from aoqlab.lab.explorers.base.controls import portable
from aoqlab.lab.explorers.base.scripts import bundled
from aoqlab.lab.explorers.interval_explorer import weight_summary


@pytest.fixture(scope="session")
def javascript():
    """Calls ``function(*arguments)`` of explorers' scripts in the engine that Playwright brings; returns JSON."""
    playwright = importlib.util.find_spec("playwright")
    if playwright is None:
        pytest.skip("playwright is not installed")
    node = Path(playwright.origin).parent / "driver" / "node"
    source = bundled(Path(weight_summary.__file__).with_suffix(".js"))
    loop = """
    import { createInterface } from "node:readline";
    for await (const line of createInterface({ input: process.stdin })) {
      const [body, given] = JSON.parse(line);
      try {
        const made = new Function("unpacked", "readoutsOf", "number", "ticks", `return async (given) => {${body}}`);
        const value = await made(unpacked, readoutsOf, number, ticks)(given);
        const plain = (_, v) => (ArrayBuffer.isView(v) ? [...v] : v === Infinity ? "Infinity" : v);
        console.log(JSON.stringify({ value }, plain));
      } catch (error) { console.log(JSON.stringify({ error: String(error.stack) })); }
    }"""
    command = [str(node), "--input-type=module", "-e", source + loop]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(body, given):
        process.stdin.write(json.dumps([body, given], default=portable) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    yield call
    process.stdin.close()
    process.wait(30)
    process.stdout.close()
