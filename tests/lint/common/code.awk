# SPDX-License-Identifier: MIT
# Prints C files as FILE:LINE:TEXT without comments and without the insides of strings; include lines keep
# theirs.
FNR == 1 { comment = 0 }
{
    left = $0
    out = ""
    is_include = !comment && left ~ /^[ \t]*#[ \t]*include/
    while (left != "") {
        if (comment) {
            end = index(left, "*/")
            if (!end)
                break
            comment = 0
            out = out " "
            left = substr(left, end + 2)
        } else if (left ~ /^\/\*/) {
            comment = 1
            left = substr(left, 3)
        } else if (left ~ /^\/\//) {
            break
        } else if (!is_include && match(left, /^"([^"\\]|\\.)*"/)) {
            out = out "\"\""
            left = substr(left, RLENGTH + 1)
        } else if (!is_include && match(left, /^'([^'\\]|\\.)*'/)) {
            out = out "''"
            left = substr(left, RLENGTH + 1)
        } else if (match(left, /^[^\/"']+/)) {
            out = out substr(left, 1, RLENGTH)
            left = substr(left, RLENGTH + 1)
        } else {
            out = out substr(left, 1, 1)
            left = substr(left, 2)
        }
    }
    print FILENAME ":" FNR ":" out
}
