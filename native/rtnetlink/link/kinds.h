#pragma once

#include "rtnetlink/link.h"

namespace vethwork {

extern const LinkKind bridgeKind;
extern const LinkKind dummyKind;
extern const LinkKind ifbKind;
extern const LinkKind ipvlanKind;
extern const LinkKind macvlanKind;
extern const LinkKind tunKind;
extern const LinkKind vethKind;
extern const LinkKind vlanKind;
extern const LinkKind vrfKind;
extern const LinkKind vxlanKind;

extern const LinkKind bridgePortKind;
extern const LinkKind vrfPortKind;

}  // namespace vethwork
