;; SPDX-License-Identifier: Apache-2.0
;; The jobs as a Wasm module; what is hashed lies from address 0 on.
(module
  (memory (export "memory") 2)
  (func (export "add_one") (param $x i32) (result i32)
    (i32.add (local.get $x) (i32.const 1)))
  (func (export "hash") (param $size i32) (result i32)
    (local $at i32) (local $hash i32)
    (local.set $hash (i32.const 0x811c9dc5))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $size)))
        (local.set $hash
          (i32.mul (i32.xor (local.get $hash) (i32.load8_u (local.get $at)))
                   (i32.const 0x01000193)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $hash)))
