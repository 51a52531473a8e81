#compdef bondx bondx-mlops
# Completion of bondx and bondx-mlops in zsh: write it to a file `_bondx` in a folder of $fpath, or load it behind
# compinit with `source <(bondx completion zsh)`.

_bondx() {
    local program=${(Q)words[1]} line meaning
    local -a typed answer shown
    typed=("${(@Q)words[2,CURRENT-1]}")
    ((CURRENT > 2)) || typed=()
    (($+commands[$program])) || [[ -x $program ]] || program=bondx # an alias

    answer=("${(@f)$("$program" completion zsh -- "${typed[@]}" "${(Q)PREFIX}" 2> /dev/null)}")
    for line in "${(@)answer[2,-1]}"; do
        meaning=
        [[ $line != *$'\t'* ]] || meaning=":${line#*$'\t'}"
        shown+=("${${line%%$'\t'*}//:/\\:}$meaning")
    done
    ((!$#shown)) || _describe -t words 'bondx' shown
    case $answer[1] in
        files) [[ $PREFIX != -*=* ]] || compset -P '*='; _files ;;
        folders) [[ $PREFIX != -*=* ]] || compset -P '*='; _files -/ ;;
    esac
}

if [[ ${funcstack[1]-} == _bondx ]]; then
    _bondx "$@"
else
    compdef _bondx bondx bondx-mlops
fi
