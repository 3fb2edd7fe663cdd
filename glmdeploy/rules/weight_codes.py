"""Pages of the codes that `validate-weights` emits."""

from __future__ import annotations

PAGES: dict[str, str] = {
    "GLM960": """Not a folder of weights

DIR is the folder with `model.safetensors.index.json`, or a model's folder in the hub's cache (`models--OWNER--NAME`), of
which the snapshot that `refs/main` names is taken.""",
    "GLM961": """The index cannot be used

`model.safetensors.index.json` says which shard holds which tensor, and engines start from it. It is missing, cut off, not
JSON, far too large, names a key twice, or names files outside its folder.""",
    "GLM962": """Shards are missing

The index names them and they are not there. In the hub's cache a shard is a link to a blob: a copy without the blobs, or a
pruned cache, leaves links that lead nowhere. `hf download` brings what is missing and keeps what is whole.""",
    "GLM963": """Shards are not as long as their headers say

A download ended early, a disk was full, or something was appended. Every shard says in its header where its last tensor
ends, and must end there. The launch scripts and the pods check the same before a server starts.""",
    "GLM964": """Files of an unfinished download

`.incomplete` (the hub's), `.aria2`, `.partial`, `.part` and the like lie beside the weights or among the blobs. If the
shards are whole, they only take room; if a download is running, wait for it.""",
    "GLM965": """Git LFS pointers instead of weights

The repository was cloned without `git lfs`: each file is 130 bytes of text that name the real one. `git lfs pull` or
`hf download` brings them.""",
    "GLM966": """A shard's header cannot be used

It begins with zeros (space that was reserved and never written), is no JSON, is absurdly long, names a key twice, or
describes tensors that overlap, leave gaps, or do not fit their shapes. safetensors refuses such a file.""",
    "GLM967": """A shard has holes

Its length is right, and parts of it were never written: a downloader that reserves space was interrupted, or a sparse copy
failed. The file system reads the holes as zeros, and the model would answer nonsense.""",
    "GLM968": """A file cannot be read

Permissions forbid it, the disk fails, or it is no regular file. Pods read weights as the user of `kubernetes.run_as`.""",
    "GLM969": """Index and shards disagree

A tensor is in another shard than the index says, or in none. Two downloads, or two checkpoints, were mixed.""",
    "GLM970": """Tensors of the model are missing

All shards of the index are whole, and the index does not name everything that GLM-5.2 has: a part of the checkpoint, a
pruned model, or an index that was edited.""",
    "GLM971": """These are the weights of another checkpoint

The types of the tensors are those of another entry of the catalogue (`glmdeploy list checkpoints`). Memory, kernels and
options were planned for the one that was asked for.""",
    "GLM972": """Not a precision of the catalogue

The types of experts and attention match no checkpoint that is known: a quantisation by somebody else. Its names and shapes
are not judged. With `--checkpoint` or `--profile` it is an error.""",
    "GLM973": """Not GLM-5.2

config.json is missing, damaged, or another model's, or there are tensors that only GLM-5 and GLM-5.1 have: their 78 layers
have an indexer each, where GLM-5.2 shares them.""",
    "GLM974": """Another context in config.json

Engines take `max_position_embeddings` for the longest context. The plan counts with 1,048,576.""",
    "GLM975": """config.json and the weights disagree on the precision

Engines choose their kernels by `quantization_config`. With the wrong one they fail while loading, or worse, do not.""",
    "GLM976": """A file of the tokenizer is missing or damaged

`tokenizer.json` and `tokenizer_config.json` must be there and be JSON; `generation_config.json` must be JSON where it is.
Downloads that were told to fetch `*.safetensors` alone leave them out.""",
    "GLM977": """Tensors of another type or shape

Their names are the model's, and their shapes or types are not those of this checkpoint: it was converted, or belongs to
another size of the model.""",
    "GLM978": """Tensors that the model does not have

Engines ignore them, or refuse to load. Adapters and extra heads are added so.""",
    "GLM979": """The MTP layer is missing

Without layer 78 there is no multi-token prediction: set `serving.mtp: false`. A part of it is an error, since engines look
for the rest. Transformers ignores the layer.""",
    "GLM980": """No chat template

Chat requests need one. It is `chat_template.jinja`, or a key of `tokenizer_config.json`.""",
    "GLM981": """Another number of shards than published

It was split anew, which changes nothing: names, shapes and lengths are what counts.""",
    "GLM982": """The index gives another sum of bytes

`total_size` is what somebody wrote; engines do not use it. The shards' headers count.""",
    "GLM983": """Files of weights that the index does not name

Left over from another download or conversion. Loaders that take every `*.safetensors` of a folder would load them too.""",
}
