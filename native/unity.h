#pragma once

// Included first where several source files are compiled as one. Headers of the C library that define the same
// structures as headers of the kernel must precede them.

#include <net/if.h>
#include <netinet/in.h>
