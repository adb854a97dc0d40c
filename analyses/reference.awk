# reference.awk - a public header made ready for doxygen, which takes only comments of a kind of their own.
#
# A comment before a declaration tells about it and about those that follow up to a blank line, another comment or one
# with a comment of its own; a comment behind a declaration tells about those of its line; one behind a brace about what is
# opened there.  A line "---- title ----" begins a section, the first comment is about the header.  Names of the library become
# links, which doxygen checks; what is indented by four blanks stays as it is.  In pages (.md) links are all that is made.

BEGIN { RS = "\001"; name = "(ent|ENT)_[A-Za-z0-9_]+" }
{ source = source $0 }
END {
    if (FILENAME ~ /\.md$/) { page(); exit }
    while (match(source, /#ifdef __cplusplus\n[^#]*#endif\n/)) source = cut(source, "")
    at = 1
    while (at <= length(source)) step()
    flush()
    if (section) print "/** @} */"
}

function page(   word) {
    while (match(source, "`" name "`")) {
        word = substr(source, RSTART + 1, RLENGTH - 2)
        source = cut(source, "@ref " word " \"" word "\"")
    }
    printf "%s", source
}

function cut(s, with) { return substr(s, 1, RSTART - 1) with substr(s, RSTART + RLENGTH) }
function rest() { return substr(source, at) }

function step(   c) {
    if (match(rest(), /^[ \t]+/)) { at += RLENGTH; return }
    c = substr(source, at, 1)
    if (c == "\n") {
        at++
        ended = 1
        if (substr(source, at, 1) == "\n") { flush(); leading = "" }
    } else if (substr(source, at, 2) == "/*") comment()
    else {
        if (ended) flush()
        ended = 0
        if (c == "#") directive()
        else if (c == "}") close_body()
        else declaration()
    }
}

function comment(   text, end, i) {
    end = index(rest(), "*/")
    text = substr(source, at + 2, end - 3)
    at += end + 1
    if (!ended && (opened || closed)) { opened = 0; doc_of_body = doc_of_body sep(doc_of_body) text; return }
    if (!ended && held) {
        for (i = 1; i <= held; i++) doc[i] = (first[i] ? doc[i] sep(doc[i]) : "") text
        leading = ""
        return
    }
    flush()
    if (!headed) { header(text); headed = 1 }
    else if (text ~ /^ ----/) new_section(text)
    else leading = text
}
function sep(before) { return before == "" ? "" : "\n *\n *" }

function header(text) {
    sub(/^ [a-z]+\.h - /, "", text)
    print "/** @file\n * @brief " prose(text) "\n */"
}

function new_section(text,   title) {
    if (section) print "/** @} */"
    match(text, /^ -+ [^\n]* -+/)
    title = substr(text, RSTART, RLENGTH)
    gsub(/^ -+ | -+$/, "", title)
    text = substr(text, RSTART + RLENGTH)
    print "/** @name " title "\n" (text ~ /[a-z]/ ? " *" prose(text) "\n" : "") " */\n/** @{ */"
    section = 1
}

function directive(   line) {
    match(rest(), /^([^\\\n\/]|\\\n|\\|\/[^*])*/)
    line = substr(source, at, RLENGTH)
    at += RLENGTH
    if (line ~ /^#define/ && line !~ /_H$/) hold(line)
    else print line
}

# Up to ';' or, where a body follows, '{'; of an enum up to ',' or '}'.
function declaration(   depth, i, c, code) {
    for (i = at; i <= length(source); i++) {
        c = substr(source, i, 1)
        if (c == "(" || c == "[") depth++
        else if (c == ")" || c == "]") depth--
        else if (!depth && (c == ";" || c == "{" || (enum && (c == "," || c == "}" || substr(source, i, 2) ~ /^(\/\*|\n)/)))) break
    }
    code = substr(source, at, i - at)
    at = enum && c != "," ? i : i + 1
    if (c == "{") open_body(code)
    else if (enum) hold(code ",")
    else hold(code ";")
}

function open_body(code) {
    doc_of_body = leading
    leading = ""
    head = code
    enum = code ~ /enum/
    opened = body = 1
}

function close_body(   end) {
    flush()
    end = index(rest(), ";")
    tail = substr(source, at, end)
    at += end
    enum = body = opened = 0
    closed = 1
    leading = ""
}

# In an enum without a name its text is that of every number without one.
function print_body() {
    gsub(/\002/, head ~ /enum *$/ ? escaped(note(doc_of_body)) : "", inside)
    print (head ~ /enum *$/ ? "" : note(doc_of_body)) head "{\n" inside tail
    inside = ""
    closed = 0
}
function escaped(s) { gsub(/[\\&]/, "\\\\&", s); return s }

function hold(code) {
    opened = 0
    held++
    item[held] = code
    doc[held] = leading
    first[held] = leading != "" && !told
    told = leading != ""
}

function flush(   i, out) {
    if (closed) print_body()
    for (i = 1; i <= held; i++) {
        out = fields(item[i], doc[i] == "" && enum ? "\002" : note(doc[i]))
        if (body) inside = inside out
        else printf "%s", out
    }
    held = 0
    if (leading == "") told = 0
}

# A field of its own, with the text, for each name of a line of fields.
function fields(code, text,   n, part, type, i, out) {
    if (!body || enum || code ~ /\(/ || code !~ /,/) return text code "\n"
    n = split(substr(code, 1, length(code) - 1), part, /, */)
    type = part[1]
    sub(/\**[a-z_0-9A-Z]+(\[[^]]*\])?$/, "", type)
    part[1] = substr(part[1], length(type) + 1)
    for (i = 1; i <= n; i++) out = out text type part[i] ";\n"
    return out
}

function note(text) { return text ~ /[^ ]/ ? "/** " prose(text) " */\n" : "" }

# The words of a comment for doxygen: nothing in them is a command.
function prose(text,   n, line, i, out, verbatim) {
    gsub(/\n *\*/, "\n", text)
    n = split(text, line, "\n")
    for (i = 1; i <= n; i++) {
        if (!body && line[i] ~ /^     / && (verbatim || line[i - 1] !~ /[^ ]/)) {
            if (!verbatim) out = out "@verbatim\n"
            verbatim = 1
            out = out line[i] "\n"
        } else if (verbatim && line[i] !~ /[^ ]/ && line[i + 1] ~ /^     /) out = out "\n"
        else {
            if (verbatim) out = out "@endverbatim\n"
            verbatim = 0
            out = out words(line[i]) (i < n ? "\n" : "")
        }
    }
    return out (verbatim ? "@endverbatim" : "")
}

function words(s,   out, word, before) {
    gsub(/[\\@<>&#%"$]/, "\\\\&", s)
    gsub(/\.h\>/, "%&", s)
    while (match(s, /`[^`]*`/)) s = cut(s, "<code>" substr(s, RSTART + 1, RLENGTH - 2) "</code>")
    while (match(s, /\*[a-z][a-z ]*\*/)) s = cut(s, "<em>" substr(s, RSTART + 1, RLENGTH - 2) "</em>")
    gsub(/e\.g\. /, "e.g.\\ ", s)
    while (match(s, name)) {
        word = substr(s, RSTART, RLENGTH)
        before = substr(s, 1, RSTART - 1)
        out = out before (before ~ /[A-Za-z0-9_]$/ || word ~ /_$/ || word ~ /^ENT_(DISABLE_CPU|GPU_LIBRARY)$/ ? word : "@ref " word " \"" word "\"")
        s = substr(s, RSTART + RLENGTH)
    }
    return out s
}
