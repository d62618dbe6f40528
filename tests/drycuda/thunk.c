/* launchKernel for CuPy that can raise: it calls a Python function and hands its
 * exception on, which a callback made by ctypes cannot. */
#include <Python.h>
#include <stdint.h>

PyObject *on_launch;

PyObject *launch_kernel(intptr_t function, unsigned gx, unsigned gy, unsigned gz,
                        unsigned bx, unsigned by, unsigned bz, unsigned shared,
                        intptr_t stream, intptr_t params, intptr_t extra, int skip) {
    return PyObject_CallFunction(on_launch, "nIIIIIIInnn", (Py_ssize_t)function, gx, gy,
                                 gz, bx, by, bz, shared, (Py_ssize_t)stream,
                                 (Py_ssize_t)params, (Py_ssize_t)extra);
}
