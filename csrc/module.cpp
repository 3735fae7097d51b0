// The Python face of the compiled library: importing photoflow._C registers the operators (through their static
// initialisers), and `build()` tells how it was built. Python's limited API: one file for every Python from 3.11 on.
#include <Python.h>

#include "cpu/simd.h"

#define PHOTOFLOW_TEXT_(...) #__VA_ARGS__
#define PHOTOFLOW_TEXT(...) PHOTOFLOW_TEXT_(__VA_ARGS__)

namespace {

// The setup script defines these; "none" where CUDA was not compiled, and where there are no sanitizers.
#ifndef PHOTOFLOW_CUDA_VERSION
#define PHOTOFLOW_CUDA_VERSION none
#endif
#ifndef PHOTOFLOW_CUDA_ARCHS
#define PHOTOFLOW_CUDA_ARCHS none
#endif
#ifndef PHOTOFLOW_SANITIZERS
#define PHOTOFLOW_SANITIZERS none
#endif

// The loader picks among these as it picks among the clones of a kernel.
#if defined(PHOTOFLOW_AVX2)
__attribute__((target("default"))) const char* simd_level() { return "baseline"; }
__attribute__((target(PHOTOFLOW_AVX2))) const char* simd_level() { return "avx2"; }
__attribute__((target(PHOTOFLOW_AVX512))) const char* simd_level() { return "avx512"; }
#else
const char* simd_level() { return "baseline"; }
#endif

PyObject* build(PyObject*, PyObject*) {
  return Py_BuildValue("{s:s,s:s,s:s,s:s}", "cuda", PHOTOFLOW_TEXT(PHOTOFLOW_CUDA_VERSION), "architectures",
                       PHOTOFLOW_TEXT(PHOTOFLOW_CUDA_ARCHS), "simd", simd_level(), "sanitizers",
                       PHOTOFLOW_TEXT(PHOTOFLOW_SANITIZERS));
}

PyMethodDef methods[] = {
    {"build", build, METH_NOARGS, "CUDA version, architectures and sanitizers (joined by '_') and SIMD level."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_C", "The compiled operators of photoflow.", 0, methods, nullptr, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__C() { return PyModule_Create(&module); }
