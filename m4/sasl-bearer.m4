# SB_CHECK_FLAGS(VARIABLE, FLAGS): collects in VARIABLE those compiler flags that the compiler knows.
AC_DEFUN([SB_CHECK_FLAGS], [
    $1=
    sb_saved_CFLAGS=$CFLAGS
    for sb_flag in $2; do
        CFLAGS="$sb_saved_CFLAGS -Werror $sb_flag"
        AC_MSG_CHECKING([whether $CC takes $sb_flag])
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
            [AC_MSG_RESULT([yes]); $1="$$1 $sb_flag"], [AC_MSG_RESULT([no])])
    done
    CFLAGS=$sb_saved_CFLAGS
    AC_SUBST([$1])
])

# SB_CHECK_LDFLAGS(VARIABLE, FLAGS): the same for the linker.
AC_DEFUN([SB_CHECK_LDFLAGS], [
    $1=
    sb_saved_LDFLAGS=$LDFLAGS
    for sb_flag in $2; do
        LDFLAGS="$sb_saved_LDFLAGS $sb_flag"
        AC_MSG_CHECKING([whether the linker takes $sb_flag])
        AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
            [AC_MSG_RESULT([yes]); $1="$$1 $sb_flag"], [AC_MSG_RESULT([no])])
    done
    LDFLAGS=$sb_saved_LDFLAGS
    AC_SUBST([$1])
])

# SB_EXPAND(VARIABLE, DIRECTORY): a directory with ${prefix} and the like filled in, for people to read.
AC_DEFUN([SB_EXPAND], [
    sb_saved_prefix=$prefix
    sb_saved_exec_prefix=$exec_prefix
    test "x$prefix" != xNONE || prefix=$ac_default_prefix
    test "x$exec_prefix" != xNONE || exec_prefix=$prefix
    $1=$2
    for sb_round in 1 2 3; do
        eval "$1=\"$$1\""
    done
    prefix=$sb_saved_prefix
    exec_prefix=$sb_saved_exec_prefix
    test "x$$1" != xNONE || $1=$ac_default_prefix
])
