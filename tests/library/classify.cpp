// SPDX-License-Identifier: Apache-2.0
// A C++ program that links all three libraries: converts NETWORK to MODEL with a recipe and two
// labels, then prints what it sees in PHOTO.
#include <ai_convert.h>
#include <ai_task.h>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

static const char labels[] = "dark\nlight\n";

static bool convert(const char *from, const char *to, ai_error *err)
{
    char *recipe;
    if (ai_task_recipe("imagenet", &recipe, err) != AI_OK)
        return false;
    const ai_named_data resources[] = {{"labels", labels, sizeof labels - 1},
                                       {"image", recipe, std::strlen(recipe)}};
    ai_convert_options options = AI_CONVERT_OPTIONS_INIT;
    options.resources = resources;
    options.resource_count = 2;
    const ai_status status = ai_convert_file(from, to, &options, err);
    ai_task_free(recipe);
    return status == AI_OK;
}

static bool classify(const ai_model *model, const std::vector<char> &photo, ai_error *err)
{
    ai_classifier *classifier;
    ai_class classes[2];
    uint32_t count = 2;
    if (ai_classifier_open(&classifier, model, nullptr, err) != AI_OK)
        return false;
    const ai_status status =
        ai_classify(classifier, photo.data(), photo.size(), classes, &count, nullptr, err);
    for (uint32_t i = 0; status == AI_OK && i < count; i++)
        std::cout << classes[i].label << " " << classes[i].score << "\n";
    ai_classifier_close(classifier);
    return status == AI_OK;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    std::ifstream file(argv[3], std::ios::binary);
    const std::vector<char> photo((std::istreambuf_iterator<char>(file)),
                                  std::istreambuf_iterator<char>());
    ai_error err = {};
    ai_model *model;
    bool is_good = convert(argv[1], argv[2], &err);
    if (is_good && (is_good = ai_model_open(&model, argv[2], &err) == AI_OK)) {
        is_good = classify(model, photo, &err);
        ai_model_close(model);
    }
    if (!is_good)
        std::cerr << err.message << "\n";
    return !is_good;
}
