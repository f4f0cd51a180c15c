"""Runs a command under a seccomp filter, as a container engine would.

    under_seccomp.py --profile FILE COMMAND...            an OCI profile, as it is shipped
    under_seccomp.py --deny NAME,NAME=ERRNO COMMAND...    everything but these system calls

Exit status 77: filters are not permitted here.
"""
import ctypes
import errno
import json
import os
import re
import struct
import subprocess
import sys

EXIT_NOT_PERMITTED = 77
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
# Classic BPF (linux/filter.h) over struct seccomp_data: the number at 0, the arguments from 16 on.
LOAD, AND, JUMP_EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
NUMBER_AT, ARGUMENTS_AT = 0, 16
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def numbers():
    """The system calls of this machine by name, from its C headers."""
    source = "#include <sys/syscall.h>\n"
    text = subprocess.run(["cc", "-E", "-dM", "-x", "c", "-"], input=source, text=True,
                          check=True, capture_output=True).stdout
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)\n", text)}


def statement(code, value, jump_true=0, jump_false=0):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def when(number, *then):
    """These statements when the system call is this one."""
    return [statement(JUMP_EQUAL, number, 0, len(then)), *then]


def deny(names, error):
    known = numbers()
    program = [statement(LOAD, NUMBER_AT)]
    for name in names:
        program += when(known[name], statement(RETURN, ERRNO | error))
    return program + [statement(RETURN, ALLOW)]


def masked(argument, answer, otherwise):
    """`answer` when the lower half of the argument, masked, is what it should be."""
    assert argument["op"] == "SCMP_CMP_MASKED_EQ", argument
    return [statement(LOAD, ARGUMENTS_AT + 8 * argument["index"]),
            statement(AND, argument["value"]),
            statement(JUMP_EQUAL, argument.get("valueTwo", 0), 0, 1),
            statement(RETURN, answer), statement(RETURN, otherwise)]


def from_profile(profile):
    known = numbers()
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    otherwise = ERRNO | profile["defaultErrnoRet"]
    program = [statement(LOAD, NUMBER_AT)]
    for rule in profile["syscalls"]:
        assert rule["action"] == "SCMP_ACT_ALLOW", rule
        for name in rule["names"]:
            if name not in known:
                continue  # another architecture's
            arguments = rule.get("args", [])
            assert len(arguments) <= 1, rule
            then = masked(arguments[0], ALLOW, otherwise) if arguments else [statement(RETURN, ALLOW)]
            program += when(known[name], *then)
    return program + [statement(RETURN, otherwise)]


def load(program):
    """Takes effect at once, for this process and what it executes."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(program))
    description = struct.pack("@HP", len(program), ctypes.addressof(code))
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, description) != 0):
        print(f"seccomp filters are not permitted: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        sys.exit(EXIT_NOT_PERMITTED)


def main(kind, value, *command):
    if kind == "--profile":
        with open(value, encoding="utf-8") as file:
            program = from_profile(json.load(file))
    else:
        names, error = value.split("=")
        program = deny(names.split(","), getattr(errno, error))
    load(program)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
