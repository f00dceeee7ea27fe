// SPDX-License-Identifier: Apache-2.0
// A Rust program that links libai: runs MODEL on the bytes of INPUT and writes them to OUTPUT.
use std::ffi::{c_void, CStr, CString};
use std::os::raw::{c_char, c_int};
use std::{env, fs, process, ptr};

const AI_MAX_RANK: usize = 8;

#[repr(C)]
struct Error {
    code: i32,
    step: u32,
    offset: u64,
    message: [c_char; 240],
}

#[repr(C)]
struct TensorInfo {
    size: u32,
    element: c_int,
    rank: u32,
    varies: u32,
    dim: [i64; AI_MAX_RANK],
    bytes: u64,
    scale: f32,
    zero_point: i32,
    name: *const c_char,
}

#[repr(C)]
struct View {
    data: *const c_void,
    bytes: usize,
}

#[repr(C)]
struct Buffer {
    data: *mut c_void,
    bytes: usize,
}

#[link(name = "ai")]
extern "C" {
    fn ai_model_open(model: *mut *mut c_void, path: *const c_char, err: *mut Error) -> i32;
    fn ai_model_close(model: *mut c_void);
    fn ai_session_open(
        session: *mut *mut c_void,
        model: *const c_void,
        options: *const c_void,
        err: *mut Error,
    ) -> i32;
    fn ai_session_close(session: *mut c_void);
    fn ai_session_output(session: *const c_void, index: u32, info: *mut TensorInfo) -> i32;
    fn ai_infer(
        session: *mut c_void,
        inputs: *const View,
        input_count: u32,
        outputs: *const Buffer,
        output_count: u32,
        call: *const c_void,
        err: *mut Error,
    ) -> i32;
}

/// A model and its session, closed together.
struct Network {
    model: *mut c_void,
    session: *mut c_void,
}

impl Drop for Network {
    fn drop(&mut self) {
        // Both allow NULL, and the session goes before its model.
        unsafe {
            ai_session_close(self.session);
            ai_model_close(self.model);
        }
    }
}

fn check(status: i32, err: &Error) -> Result<(), String> {
    if status == 0 {
        return Ok(());
    }
    let message = unsafe { CStr::from_ptr(err.message.as_ptr()) };
    Err(message.to_string_lossy().into_owned())
}

fn infer(path: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let mut network = Network { model: ptr::null_mut(), session: ptr::null_mut() };
    let path = CString::new(path).map_err(|e| e.to_string())?;
    // Zeros are a valid value of both: numbers, and a pointer that may be NULL.
    let mut err: Error = unsafe { std::mem::zeroed() };
    let mut info: TensorInfo = unsafe { std::mem::zeroed() };
    info.size = std::mem::size_of::<TensorInfo>() as u32;
    unsafe {
        check(ai_model_open(&mut network.model, path.as_ptr(), &mut err), &err)?;
        let options = ptr::null();
        check(ai_session_open(&mut network.session, network.model, options, &mut err), &err)?;
        check(ai_session_output(network.session, 0, &mut info), &err)?;
        let mut output = vec![0u8; info.bytes as usize];
        let view = View { data: input.as_ptr().cast(), bytes: input.len() };
        let buffer = Buffer { data: output.as_mut_ptr().cast(), bytes: output.len() };
        check(ai_infer(network.session, &view, 1, &buffer, 1, ptr::null(), &mut err), &err)?;
        Ok(output)
    }
}

fn main() {
    let words: Vec<String> = env::args().collect();
    if words.len() != 4 {
        process::exit(2);
    }
    let done = fs::read(&words[2])
        .map_err(|e| e.to_string())
        .and_then(|input| infer(&words[1], &input))
        .and_then(|output| fs::write(&words[3], output).map_err(|e| e.to_string()));
    if let Err(message) = done {
        eprintln!("{}", message);
        process::exit(1);
    }
}
