/* SPDX-License-Identifier: Apache-2.0
 * ONNX's element types and those of the library. */
#include "onnx.h"

static const struct {
    ai_type type; /* 0: not supported */
    const char *name;
} types[] = {
    {0, "undefined"},      {AI_F32, "float"},   {AI_U8, "uint8"},      {AI_S8, "int8"},
    {AI_U16, "uint16"},    {AI_S16, "int16"},   {AI_S32, "int32"},     {AI_S64, "int64"},
    {0, "string"},         {AI_BOOL, "bool"},   {AI_F16, "float16"},   {AI_F64, "double"},
    {AI_U32, "uint32"},    {AI_U64, "uint64"},  {0, "complex64"},      {0, "complex128"},
    {AI_BF16, "bfloat16"}, {0, "float8e4m3fn"}, {0, "float8e4m3fnuz"}, {0, "float8e5m2"},
    {0, "float8e5m2fnuz"}, {0, "uint4"},        {0, "int4"},           {0, "float4e2m1"},
    {0, "float8e8m0"},     {0, "uint2"},        {0, "int2"},
};

enum { TYPE_COUNT = sizeof types / sizeof types[0] };

ai_type ai_onnx_type(int64_t number)
{
    return number >= 0 && number < TYPE_COUNT ? types[number].type : 0;
}

const char *ai_onnx_type_name(int64_t number)
{
    return number >= 0 && number < TYPE_COUNT ? types[number].name : "of an unknown number";
}
