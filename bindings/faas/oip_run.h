/* SPDX-License-Identifier: Apache-2.0
 * An inference of the Open Inference Protocol on its way: what the files that do it share.
 *
 *   oip.c         paths, and what is said of servers and models
 *   oip_read.c    the request; oip_types.c: elements
 *   oip_run.c     refusals, and what is asked of an output
 *   oip_infer.c   matches tensors with the model's, and runs it
 *   oip_bytes.c   BYTES for models that name pictures or write texts
 *   oip_classes.c the best classes of an output
 *   oip_answer.c  the answer */
#ifndef AI_FAAS_OIP_RUN_H
#define AI_FAAS_OIP_RUN_H

#include "faas.h"
#include "oip.h"

typedef struct ai_oip_output {
    const char *name;
    ai_type type;
    uint32_t rank;
    int64_t dim[AI_MAX_RANK];
    void *data; /* to be freed; NULL: it is not wanted */
    size_t bytes;
    bool is_raw;
    uint32_t top; /* classes wanted in place of the tensor; 0: the tensor */
    float scale;  /* of quantised types */
    int32_t zero_point;
} ai_oip_output;

typedef struct ai_oip_run {
    ai_exchange *x;
    const char *model; /* its name */
    ai_oip_request request;
    ai_handler *handler;
    ai_session *session;
    ai_oip_output output[AI_OIP_MAX_TENSORS];
    uint32_t output_count;
    bool has_seed; /* of a text */
    int64_t seed;
} ai_oip_run;

/* Answers POST .../infer for a model that is there. */
void ai_oip_infer(ai_worker *w, ai_exchange *x, const char *model);

/* Fails the exchange with a format and two texts; returns false. */
bool ai_oip_refuse(ai_oip_run *r, const char *format, const char *name, const char *more);
bool ai_oip_no_memory(ai_oip_run *r, const char *what);

/* The row of the request's `outputs` for a name; NULL: it has none. */
const json_t *ai_oip_wanted(const ai_oip_run *r, const char *name);
/* Reads how an output is wanted: raw, and as how many classes. false: it is answered. */
bool ai_oip_wish(ai_oip_run *r, ai_oip_output *out);

/* Makes a tensor of BYTES, each a JPEG or PNG or base64 of one, one for the model. */
bool ai_oip_pictures(ai_oip_run *r, ai_oip_tensor *t, const ai_tensor_info *info);
/* Whether it is a wish for a text: one input of BYTES for a model that writes. */
bool ai_oip_is_wish(const ai_oip_run *r);
/* Sets the output "text". */
bool ai_oip_write_text(ai_oip_run *r);

/* Puts BYTES "score:index:label" in place of the tensor, the best `top` of each row. */
bool ai_oip_classify(ai_oip_run *r, ai_oip_output *out);

/* JSON, then the raw outputs in order. */
void ai_oip_answer(ai_oip_run *r);

#endif
