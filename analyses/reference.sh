#!/bin/sh
# reference.sh DIR [HEADERS] - the reference of the library as HTML in DIR/html, by doxygen, from the public headers (or those
# in another folder).  Fails when something public has no text, or a text names what there is not.
set -eu
dir=$1 headers=${2:-libentropy/include}
rm -rf "$dir" && mkdir -p "$dir"
# what a header says of itself comes first on its page
doxygen -l "$dir/layout.xml"
sed -i '/<file>/,/<\/file>/{ /<detaileddescription/d; s/<briefdescription.*/<detaileddescription title=""\/>/; }' "$dir/layout.xml"
doxygen - <<END
PROJECT_NAME = libentropy
PROJECT_NUMBER = $(sed -n 's/.*ENT_VERSION "\(.*\)"/\1/p' "$headers/entropy/base.h")
OUTPUT_DIRECTORY = $dir
INPUT = $headers/entropy $headers/README.md
USE_MDFILE_AS_MAINPAGE = $headers/README.md
STRIP_FROM_PATH = $headers
STRIP_FROM_INC_PATH = $headers
LAYOUT_FILE = $dir/layout.xml
INPUT_FILTER = "awk -f analyses/reference.awk"
PREDEFINED = ENT_API= ENT_PRINTF(a,b)=
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
OPTIMIZE_OUTPUT_FOR_C = YES
TYPEDEF_HIDES_STRUCT = YES
INLINE_SIMPLE_STRUCTS = YES
JAVADOC_AUTOBRIEF = YES
SORT_MEMBER_DOCS = NO
SUBGROUPING = NO
GENERATE_LATEX = NO
GENERATE_TREEVIEW = YES
HAVE_DOT = NO
GENERATE_TAGFILE = $dir/names.xml
VERBATIM_HEADERS = NO
HTML_TIMESTAMP = NO
QUIET = YES
WARN_AS_ERROR = FAIL_ON_WARNINGS
WARN_NO_PARAMDOC = NO
END
