// SPDX-License-Identifier: Apache-2.0
// A C++ program that links libai: runs MODEL on the bytes of INPUT and writes them to OUTPUT.
#include <ai.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <vector>

static void check(ai_status status, const ai_error &err)
{
    if (status != AI_OK)
        throw std::runtime_error(err.message);
}

template <typename T> using handle = std::unique_ptr<T, void (*)(T *)>;

static std::vector<char> infer(const char *path, const std::vector<char> &in)
{
    ai_error err = {};
    ai_model *opened_model;
    check(ai_model_open(&opened_model, path, &err), err);
    handle<ai_model> model(opened_model, ai_model_close);

    ai_session *opened_session;
    check(ai_session_open(&opened_session, model.get(), nullptr, &err), err);
    handle<ai_session> session(opened_session, ai_session_close);

    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    check(ai_session_output(session.get(), 0, &info), err);
    std::vector<char> out(static_cast<size_t>(info.bytes));
    const ai_view view = {in.data(), in.size()};
    const ai_buffer buffer = {out.data(), out.size()};
    check(ai_infer(session.get(), &view, 1, &buffer, 1, nullptr, &err), err);
    return out;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    try {
        std::ifstream file(argv[2], std::ios::binary);
        const std::vector<char> in((std::istreambuf_iterator<char>(file)),
                                   std::istreambuf_iterator<char>());
        const std::vector<char> out = infer(argv[1], in);
        std::ofstream(argv[3], std::ios::binary).write(out.data(), (std::streamsize)out.size());
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
