"""What the Action needs of GitHub: the event that started it, and a comment on the pull request.

Standard library only, and nothing else of this package: these modules run where no profile is read. They speak as steps
of a workflow do, in lines that the runner turns into annotations.
"""
