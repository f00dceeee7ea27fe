# SPDX-License-Identifier: Apache-2.0
"""Refuses this process the tiles of AMX, so that every engine in it runs as on a processor that
ends at AVX-512 with VNNI: Linux hands tiles out on request alone (Documentation/arch/x86/xstate.rst),
and a filter of system calls answers that request with EPERM."""
import ctypes
import platform

SECCOMP, MODE_FILTER, NO_NEW_PRIVS = 22, 2, 38  # of prctl(2)
ARCH_PRCTL, REQUEST_FEATURE = 158, 0x1023       # x86-64's system call, ARCH_REQ_XCOMP_PERM
NUMBER, FIRST_OPERAND = 0, 16                   # in struct seccomp_data
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06       # of the filter's machine, <linux/bpf_common.h>
ALLOW, DENY = 0x7FFF0000, 0x00050001            # SECCOMP_RET_ERRNO with EPERM


class Row(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("if_true", ctypes.c_ubyte),
                ("if_false", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("rows", ctypes.POINTER(Row))]


def has_tiles() -> bool:
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        return any("amx_int8" in line.split() for line in stream if line.startswith("flags"))


def refuse() -> None:
    """For this process and its children, for good."""
    if platform.machine() != "x86_64":
        return
    rows = [Row(LOAD, 0, 0, NUMBER), Row(IF_EQUAL, 0, 3, ARCH_PRCTL),
            Row(LOAD, 0, 0, FIRST_OPERAND), Row(IF_EQUAL, 0, 1, REQUEST_FEATURE),
            Row(RETURN, 0, 0, DENY), Row(RETURN, 0, 0, ALLOW)]
    program = Program(len(rows), (Row * len(rows))(*rows))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or
            libc.prctl(SECCOMP, MODE_FILTER, ctypes.byref(program)) != 0):
        raise OSError(ctypes.get_errno(), "AMX cannot be refused")
