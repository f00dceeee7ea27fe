# SPDX-License-Identifier: Apache-2.0
# Doxygen's comments from the plain ones of include/*.h (see Doxyfile).

# The head of a file, and the page that opens the documentation with a paragraph a subject.
s|^/\* SPDX-License-Identifier: Apache-2.0$|/** @file|
/^\/\* What holds for every function\.$/,/\*\/$/{
    s|^/\* .*|/** @mainpage The C interface|
    s|^ \* \([A-Z][A-Za-z ]*\): | * @par \1:\n * |
}

# A section is a group of names up to the next.
/^\/\* ---- /{
    x
    /open/i\
/** @} */
    s/.*/open/
    x
    s|^/\* ---- \(.*\) ---- \*/$|/** @name \1\n * @{ */|
}
${
    x
    /open/i\
/** @} */
    x
}

# An INIT macro is the same each time.
s|^#define \(AI_[A-Z_]*_INIT\)|/** Starts a struct: its size, all else zero. */\n&|

# A comment of its own before a declaration, and one behind it.
s|^\( *\)/\* |\1/** |
s|\([^ ]\)\( *\)/\* |\1\2/**< |
