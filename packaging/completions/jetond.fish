# Completion of jetond for fish: commands, options, token ids and mail numbers. The program
# itself answers; where it cannot (no config, no permission), nothing is proposed.
function __jetond_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l program jetond
    string match --quiet '*/*' -- $words[1]; and set program $words[1]
    $program complete fish -- $words (commandline --current-token --cut-at-cursor) 2>/dev/null
end
complete --command jetond --no-files --keep-order --arguments '(__jetond_complete)'
