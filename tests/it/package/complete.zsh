# Presses TAB twice (the ids begin alike) after `jetond show ` in a zsh on a terminal of its own, and prints what it shows.
# $ZSH_ROOT is where zsh was unpacked, $ZSH_LOAD loads the completion.
root=$ZSH_ROOT
module_path=($root/usr/lib/*-linux-gnu/zsh/*(N))
zmodload zsh/zpty || exit 1
fpath=($root/usr/share/zsh/functions/**/*(N/))
export ZSH_MODULES=$module_path ZSH_FUNCTIONS=${(j.:.)fpath}
zpty z $root/bin/zsh -f -i
# Whatever it echoes, the word READY comes only from the command.
zpty -w z 'PS1=; module_path=($ZSH_MODULES); fpath=(${(s.:.)ZSH_FUNCTIONS}); '"$ZSH_LOAD"'; zmodload zsh/complist; unsetopt zle_bracketed_paste 2>/dev/null; LISTMAX=1000; setopt nobeep; print REA''DY'
zpty -r z line '*READY*'
zpty -w -n z $'jetond show \t\t'
zpty -r z line '*Aides*' 
print -r -- $line
zpty -r -t z more && print -r -- $more
zpty -d z
