// What several bindings share.
#pragma once

#include <memory>
#include <string>

#include "kernels/table.h"
#include "model/model.h"

namespace pestle {

struct ModelHandle { std::shared_ptr<const Model> model; };

KvType kv_type(const std::string& name);  // std::invalid_argument for a name that is none

}  // namespace pestle
