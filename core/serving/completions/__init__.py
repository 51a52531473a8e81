"""A model of language over HTTP, in OpenAI's form of completions, for programs on this machine."""
