# markdown.awk - a tab-separated table as Markdown; lines that begin with '#' are left out.  `-v columns="1 2 5"`: these alone.
BEGIN { FS = "\t"; count = split(columns, chosen, " ") }
/^#/ { next }
{
    line = "|"; rule = "|"; n = count ? count : NF
    for (i = 1; i <= n; i++) { line = line " " $(count ? chosen[i] : i) " |"; rule = rule "---|" }
    print line
    if (!head++) print rule
}
