"""Micro-kernels: the innermost loops, written as vector instructions.

Numba turns Python loops into machine code, and LLVM, the compiler behind it, finds vector instructions in many of
them. In a few loops everything depends on which numbers stay in which registers, and there LLVM is told so: this
folder writes them in LLVM's own language, one instruction after the other.

===============  =====================================================================
``target.py``    the vector registers of this machine: how many, how wide
``builder.py``   a thin layer over llvmlite: addresses, vectors, loops
``compiled.py``  from LLVM's language to machine code, kept on disk; its address
``call.py``      calling an address from a Numba function
``tile.py``      the matrix product of one register tile, the heart of every convolution
``transpose.py`` a square of numbers, rows to columns, within registers
===============  =====================================================================

A micro-kernel takes integers only: addresses, sizes and steps in bytes. It checks nothing. The Numba function that
calls it knows the shapes, and is the place where they are right by construction.
"""
