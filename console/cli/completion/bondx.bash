# Completion of bondx and bondx-mlops in bash: source it, or write it to
# ~/.local/share/bash-completion/completions/bondx (`bondx completion bash` prints it).

_bondx() {
    local program=$1 rest=${COMP_LINE:0:COMP_POINT} word breaks cut i
    local -a typed=() answer=()

    # Bash parts words at = : and @, too. Here a part that follows another without a blank belongs to its word.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -z $rest || $rest == [[:space:]]* || ${#typed[@]} -eq 0 ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            [[ $rest == "$word"* ]] || word=$rest # the cursor is within this word
            typed+=("$word")
        else
            [[ $rest == "$word"* ]] || word=$rest
            typed[${#typed[@]} - 1]+=$word
        fi
        rest=${rest#"$word"}
    done

    type -P -- "$program" > /dev/null || program=bondx # an alias
    mapfile -t answer < <("$program" completion bash -- "${typed[@]:1}" 2> /dev/null)
    case ${answer[0]-} in
        files) compopt -o default ;;
        folders) compopt -o dirnames ;;
    esac

    # Bash puts its word behind the last = or :, or in the place of the last @ and what follows it: what stands before
    # must not be put there again.
    word=${typed[${#typed[@]} - 1]} breaks=${COMP_WORDBREAKS//[^=:@]/} cut=
    [[ -z $breaks ]] || cut=${word%"${word##*[$breaks]}"}
    cut=${cut%@}
    COMPREPLY=("${answer[@]:1}")
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}

complete -F _bondx bondx bondx-mlops
