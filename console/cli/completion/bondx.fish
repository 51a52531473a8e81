# Completion of bondx and bondx-mlops in fish: write it to ~/.config/fish/completions/bondx.fish, or load it with
# `bondx completion fish | source`.

function __bondx_answer
    set -l typed (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --cut-at-cursor --current-token)
    set -l program $typed[1]
    set -e typed[1]
    type --query $program; or set program bondx
    set -l answer ($program completion fish -- $typed "$current" 2>/dev/null)
    set -l option (string match --regex -- '^-[^=]*=' "$current") # of --option=path
    set -l path (string replace --regex -- '^-[^=]*=' '' "$current")
    switch "$answer[1]"
        case files
            printf '%s\n' "$option"(__fish_complete_path "$path")
        case folders
            printf '%s\n' "$option"(__fish_complete_directories "$path")
    end
    set -e answer[1]
    printf '%s\n' $answer
end

complete --command bondx --no-files --arguments '(__bondx_answer)'
complete --command bondx-mlops --no-files --arguments '(__bondx_answer)'
