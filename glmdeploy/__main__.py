"""`python -m glmdeploy`."""

from glmdeploy.cli import main

main()
