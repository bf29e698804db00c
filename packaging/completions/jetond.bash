# Completion of jetond for bash: commands, options, token ids and mail numbers. The program
# itself answers; where it cannot (no config, no permission), nothing is proposed.
_jetond() {
    local program=jetond found quoted
    [[ $1 == */* ]] && program=${1/#\~/$HOME}
    COMPREPLY=()
    while IFS= read -r found; do
        printf -v quoted %q "$found"
        COMPREPLY+=("$quoted")
    done < <("$program" complete bash -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
    # A directory goes on.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -o nosort -F _jetond jetond
