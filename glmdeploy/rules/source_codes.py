"""Pages of the codes that the layers below the rules emit: files, schema, names, writing."""

# Over 300 lines: a table of pages, one for each code.

from __future__ import annotations

PAGES: dict[str, str] = {
    "GLM001": """The file cannot be read

It does not exist, is a directory, or permissions forbid it. The message gives the system's reason.""",
    "GLM002": """The file is not UTF-8

Profiles are UTF-8 text. The message gives the position of the first byte that is not.""",
    "GLM003": """The file is not valid YAML

The message gives the parser's reason, the line and the column.""",
    "GLM004": """A key stands twice

YAML readers disagree on which of two equal keys wins, so neither is taken. Keep one.""",
    "GLM005": """The file is empty

A profile needs at least `apiVersion`, `name`, `cluster` and `framework`; `glmdeploy schema` describes all keys.""",
    "GLM006": """The document is not a profile-shaped mapping

It is a list or a single value, is nested too deeply, or is far larger than any profile. Nothing of it is used.""",
    "GLM010": """Unknown key

A misspelt key would silently do nothing, so it is refused. The hint names the nearest known key.""",
    "GLM011": """A value is of the wrong type or out of range

Sizes carry their unit (`2 TiB`, `141 GB`), versions stand in quotes, tokens are numbers or `128K` (131,072).""",
    "GLM012": """A key is missing

`glmdeploy schema` lists the keys that must be there.""",
    "GLM013": """The apiVersion is not one that this version reads

Write `apiVersion: glmdeploy/v1`.""",
    "GLM014": """A control or bidirectional character

Such characters can make a file read differently from what it says, and can drive a terminal. They are refused
everywhere, in files and in options. The message names the code points.""",
    "GLM015": """An option of the command line is not understood

`--gpus` takes a count and a GPU, such as `10xH100`; `--set` and the command `set` take `KEY=VALUE` with a dotted profile
key, each key once. VALUE is YAML on one line; where the schema has a string it is taken as it is. `null` takes no key
back: it is refused, since a key that is left out has its default.""",
    "GLM016": """No such profile

Neither a file of that name exists nor a shipped profile; `glmdeploy list profiles` shows the shipped ones.""",
    "GLM017": """Nothing to check below a folder

`lint DIR` looks for .yaml and .yml files with our apiVersion, and for bundles, which hold `.glmdeploy.json`; hidden
folders are left out. Finding neither is an error: a check of nothing must not be green.""",
    "GLM018": """Not a command line

`lint --argv` looks for what starts the framework's server (`vllm serve`, `python3 -m sglang.launch_server`, an image
whose entry point does) in shell text or in a JSON list of strings, and takes options alone as well. Quotes, comments,
continued lines, here-documents, arrays and variables that are set once are read as a shell reads them.""",
    "GLM030": """A comment silences nothing

`# glmdeploy: ignore[CODE]` silences warnings and notes of its line; on a line of its own, of the line below; before the
first key, of the whole file. This one has nothing to silence. Unless it is removed, it will hide the finding on the day
that it comes back. `lint` and `render` say so of files that no option changes; in a workspace `lint` alone, of a comment
that no environment of its file needs, nor a profile that extends it.""",
    "GLM031": """A comment names no code, or one that does not exist

`# glmdeploy: ignore[GLM204, GLM305] and a reason` names whole codes; `glmdeploy list rules` shows them.""",
    "GLM032": """A comment tries to silence an error

Errors stop a render and are never silenced, by no comment and no option. Warnings and notes are.""",
    "GLM033": """More than one document in a file

A file holds one profile: `---` between two documents would hide the second one from every reader that takes the first.
Split the file.""",
    "GLM019": """No workspace file

`render --all` and `check` without a PROFILE work from `glmdeploy.yaml`, in this folder or above it in the same Git
repository. `--workspace` names another; `glmdeploy init` makes one.""",
    "GLM020": """What a profile extends cannot be taken

`extends` names one other profile, relative to the file, which extends none itself: a reader must find every key in two
files.""",
    "GLM021": """Unknown environment

`environments` of the workspace file has the names. An environment's keys win over the profile's.""",
    "GLM022": """Two bundles in one folder

Each deployment of a workspace has a folder of its own, in which nothing else is rendered: `check` could not tell whose
files are left over.""",
    "GLM023": """Not a lock file

`glmdeploy.lock` is what `render --all` writes: the inputs of each bundle as checksums, and the tool and catalogue that
they were rendered with. `glmdeploy schema lock` describes it; it is not edited by hand.""",
    "GLM024": """Two bundles are the same objects in Kubernetes

Both have one name in one namespace, so the one that is applied last replaces the other, and Argo CD and Flux undo each
other's work for ever. Names of objects come from the profile's `name`. Give one another `name` or another
`kubernetes.namespace`; where each has a cluster of its own, give each an environment of its own.""",
    "GLM025": """Two environments are the same objects where they share a cluster

Both have one name in one namespace. Where each environment has a cluster, that is as it should be:
`# glmdeploy: ignore[GLM025] and why` beside the `output` in `glmdeploy.yaml` says so. Where they share one, the one
that is applied last replaces the other: give each environment a `kubernetes.namespace`, as `glmdeploy init` does.""",
    "GLM050": """A shipped profile is not changed

Profiles inside the installed package are replaced with its next release. Copy the file, and change the copy.""",
    "GLM051": """The file was changed meanwhile

Between reading the file and writing it, somebody else wrote it. Theirs stays, and nothing is written.""",
    "GLM052": """A key that was set has no effect

`set` wrote the key into the profile, and every environment that was judged takes it from another file: the environment's
part of `glmdeploy.yaml`, or a profile that extends this one. Change it there, or take it out there.""",
    "GLM060": """The schema beside a saved profile is another version's

The first line of a profile names `glmdeploy.schema.json` in its folder; editors with a YAML language server complete and
check keys by it. `render --save-profile` writes it where there is none, and leaves another one alone: it may serve other
profiles of the folder. `glmdeploy schema -o glmdeploy.schema.json --force` brings it up to date.""",
    "GLM040": """git is needed and not there

`diff PATH@REV` asks the git on PATH for the file. Install it, or compare files that are on disk.""",
    "GLM041": """Not in a git repository, or git does not open it

The folder that the file stands in belongs to no repository, or git refuses it, for instance because another user owns
it (`safe.directory`). The message holds git's own words.""",
    "GLM042": """git does not know the revision

A branch, a tag, a commit or anything else that means one commit to `git rev-parse`: `main`, `v1.2`, `HEAD~2`,
`HEAD@{1}`. A branch that was never checked out is `origin/NAME`. A short hash that means several commits is none.""",
    "GLM043": """The path is not in the revision

The file or folder came later, was removed, or had another name. A link that leads out of the repository is no file of
it. Paths are relative to the current folder, as everywhere.""",
    "GLM044": """The revision is not in this shallow clone

CI systems fetch one commit. `git fetch --unshallow` gets the others; `actions/checkout` takes `fetch-depth: 0`, GitLab
CI the variable `GIT_DEPTH: 0`.""",
    "GLM045": """Not a bundle

`diff` takes folders that `render` wrote: `.glmdeploy.json` lists their files, and these are compared. Other files in
such a folder are yours and are not looked at.""",
    "GLM046": """No revision behind the `@`

`PATH@REV` names a revision, such as `prod.yaml@main`. A path that holds an `@` itself is taken as it is where it
exists.""",
    "GLM047": """git failed

The message holds its own words. A partial clone fetches what it lacks when it is asked for it, and fails without a
network; nothing is asked on the terminal, and after two minutes without an answer it ends.""",
    "GLM101": """Unknown GPU

The hint lists the nearest names; `glmdeploy list gpus` shows all of them with their aliases.""",
    "GLM102": """A GPU name with more than one meaning

`H20` was sold with 96 GB and with 141 GB, and no default would be safe. Names with a usual meaning do have a
default: `H100` is the SXM board with 80 GB.""",
    "GLM103": """The number of GPUs makes no sense

It is between 1 and 1,024.""",
    "GLM104": """Unknown checkpoint

`glmdeploy list checkpoints` shows the published weight sets by id and repository.""",
    "GLM105": """Unknown framework

sglang, vllm, transformers and ktransformers are known.""",
    "GLM106": """A repository of an organisation that moved

THUDM is now zai-org. Old names still resolve on the hub by redirect, which breaks mirrors and offline caches.""",
    "GLM107": """The source of the weights is not one place

Give exactly one of `path`, `hub`, `claim`, `oci` and `object_store`. Beside `object_store`, `path` is the folder that the
download fills: a folder below another, since pods mount the upper one. `revision` belongs to `hub`, or stands alone for
the checkpoint's own repository; `oci_folder` and `oci_pull` belong to `oci`, `endpoint` and `region` to an
`object_store` of `s3://`.""",
    "GLM108": """Not a version

Versions are written as the package index writes them, in quotes: `"0.5.21"`.""",
    "GLM109": """The framework version is too old for GLM-5.2

Each framework has a first version that knows the architecture (IndexShare, the shared sparse-attention indexer);
older ones refuse the checkpoint or compute nonsense. The message gives the floor and its source.""",
    "GLM110": """The framework version is newer than the catalogue

It is rendered with what the newest known version takes. Options may have been renamed since.""",
    "GLM112": """The context is above the model's

GLM-5.2 takes 1,048,576 tokens, prompt and output together. `1M` means that; `1m` means 1,000,000.""",
    "GLM113": """The answer does not fit beside the prompt

GLM-5.2 answers with 131,072 tokens at most, thinking included, and prompt and answer share the context. With
`context: auto` the planner makes room for the answer and a prompt of 32,768 tokens.""",
    "GLM420": """A word is known only when the command runs

`$EXTRA_ARGS` or `$(hostname)` can be anything, so nothing is said about it; where a variable could be any number of
options, rules that hang on an option's absence say nothing either.""",
    "GLM421": """Options that belong to no command

A missing backslash, or a comment between continued lines, ends a command: the shell then runs the next line by itself,
and the server never sees its options.""",
    "GLM505": """A file of yours would be overwritten

It was not written by glmdeploy, or was edited since. `.glmdeploy.json` in a bundle lists what was written, with
checksums. Other files are never touched. Move the file away, edit the profile instead, or pass `--force`. Exit code 3.""",
    "GLM511": """The profile cannot be changed in place

`set`, `lint --fix` and `upgrade --write` change values where they stand and load the result again. Nothing is written
where something else would change with them: an alias or a merge key brings the value along from elsewhere, an alias
elsewhere takes it from here, it stands in a block scalar, or in another file: the workspace, or the profile that this
one extends. Edit the file by hand.""",
    "GLM530": """A file of a bundle is out of date

It is as glmdeploy wrote it, and its profile renders to something else now. The notes say which input changed since
`glmdeploy.lock` was written: the profile, the workspace, an image's digest, the catalogue, the tool. Exit code 3.""",
    "GLM531": """A file of a bundle was edited by hand

It is not as glmdeploy wrote it. The next render would stop at it, and a cluster may run what no profile says. Make the
change in the profile, then `check --fix` or `render --all --force` rewrites the file. Exit code 3.""",
    "GLM532": """A file of a bundle is missing

The profile renders to it, and the folder does not have it. `render` writes it. Exit code 3.""",
    "GLM533": """A file of a bundle is left over

An earlier render wrote it, and the profile does not render to it any more. The next render removes it. Exit code 3.""",
    "GLM534": """A file in a bundle's folder is not glmdeploy's

It may be a stray copy that a `kubectl apply -f` of the folder would take along. Move it away, or name it under `keep` of
the deployment in `glmdeploy.yaml`, where the patterns are those of a shell. Nothing removes it, and it
is in no patch. What git ignores is no stray. Exit code 3.""",
    "GLM535": """A file of a bundle lost or gained its executable bit

Launch scripts are executable, and Git records it. Exit code 3.""",
    "GLM536": """The lock file does not record today's inputs

`glmdeploy.lock` says what the bundles were rendered from, so that a later `check` can say why they differ. It is missing
or older than the profiles; `render --all` writes it. A newer glmdeploy alone does not make it out of date. Exit code 3.""",
    "GLM537": """A bundle that the workspace does not list any more

Its folder is still there, and a cluster may still be told to run it. `render --all` warns of it, and `check` ends with exit
code 3 as long as it is there: the lock file keeps it in mind. Remove it, and render again; or list it.""",
    "GLM570": """A workspace is there already

`init` starts a repository. Where a `glmdeploy.yaml` or the profile stands that it would write, with another text, it
writes nothing: the bundles would be rendered from somebody else's file. Exit code 3. Add a profile and a deployment to
the workspace that is there, and run `glmdeploy render --all`.""",
    "GLM571": """A file was there and stays

`init` writes README, CI, pre-commit and Git attributes where there are none. What was there stays as it is, and may lack
what the scaffold would have: `glmdeploy init -o EMPTY-FOLDER` shows it.""",
    "GLM572": """The folder is not the root of its repository

GitHub, GitLab and pre-commit read their files at the root of a repository only, so `init` does not write them into a folder
below it. Paths for Argo CD and Flux do name the folder.""",
    "GLM610": """Not a file of image digests

It holds `format: glmdeploy-images/v1` and `images`, which maps a reference with a tag to `sha256:` and 64 hexadecimal
digits. `glmdeploy images lock` writes it.""",
    "GLM611": """Not an image reference

`NAME:TAG`, with the registry's host in front where it is not Docker Hub. Names are lowercase.""",
    "GLM612": """The registry cannot be asked

No answer came: the name does not resolve, the connection was refused or timed out, or TLS failed. The message gives the
system's reason. Proxies are those of the environment. No other command that writes files needs a network.""",
    "GLM613": """The registry does not answer strangers

It wants credentials, or fewer requests. `images lock` asks anonymously and sends no credentials; for a private registry,
look the digest up with your container tool and write it into the file.""",
    "GLM614": """The registry has no such image or tag

Or does not show it to strangers: some registries answer so for private images.""",
    "GLM615": """The registry's answer cannot be used

It has an unexpected status, no sha256 digest, a digest that is not that of the manifest it sent, or it points away from
https. Nothing is written for this image.""",
    "GLM701": """An option gives no amount of money

`--price`, `--price-total` and `--storage` take a plain number of USD above zero, such as `2.95`, with six decimals at
most. They are counted as exact decimals.""",
    "GLM702": """No price of this GPU is known

The catalogue holds published prices with source and date, and has none for this GPU. `--price` takes USD a GPU and
hour, `--price-total` USD an hour for all GPUs.""",
    "GLM703": """An option gives no share

`--utilisation` takes a share above 0 and up to 1, as `0.5` or `50%`: how much of the upper bound on speed is used.""",
    "GLM704": """No plan is what was asked for

`recommend` plans 32 configurations at most; none holds the context and the requests that were asked for on the
hardware. The list says why, one code each, and the hint names the nearest.""",
    "GLM705": """Too few requests at a time

The pool of the KV cache holds fewer requests of the asked context (32,768 tokens where none was asked) than the
concurrency. More GPUs, a smaller context or a smaller KV cache row would hold more; or let requests wait.""",
    "GLM990": """A client needs an API that the server has not

Claude Code and the Anthropic SDK speak `/v1/messages`. SGLang, vLLM and KTransformers serve it themselves, Transformers
does not. A gateway such as LiteLLM, put before the server, translates: `clients --url` with the gateway's address and
`--context` then makes their configuration.""",
    "GLM991": """Not the address of a server

`clients --url` takes `http` or `https`, a host and a port; a `/v1` at the end is taken off. A user, a password or a query
would end up in files and is refused, and the message does not repeat it. The key goes into the variable that `--key-env`
names.""",
    "GLM992": """The answer leaves no room for a prompt

Prompt and answer share the context. Without `--output-tokens` an answer gets a quarter of the context, 131,072 tokens at
most.""",
    "GLM993": """An open server that others can reach

The configurations point at an address that is not loopback, and the server reads no key: whoever reaches it can use it.
`secrets.api_key` names the Secret of a key; Transformers reads none and needs a gateway such as LiteLLM.""",
    "GLM994": """Coding agents without tool calls

`transformers serve` has response templates, which separate tool calls and thinking from the text, for other model families
only: an agent sees its tool calls as text and does nothing.""",
    "GLM995": """Only names with `[1m]` are served

Claude Code takes `[1m]` off a model's name before it asks: the mark tells it of the large window, and no server sees it.
vLLM refuses names that it does not serve, so `serving.served_names` needs the plain one. SGLang answers to any.""",
    "GLM508": """The output cannot be written

The message gives the system's reason. All files are staged first, and each is replaced whole.""",
}
