{
  "variables": {
    "is_openssl_shared": "<!(node -p \"String(process.config.variables.node_shared_openssl)\")"
  },
  "targets": [
    {
      "target_name": "webtrunk",
      "sources": [
        "<!@(node -p \"require('node:fs').readdirSync('src').filter((name) => name.endsWith('.cc')).map((name) => 'src/' + name).join(' ')\")"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags!": ["-fno-strict-aliasing", "-O3"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-std=c++20", "-O3"],
      "cflags_cc": [
        "-std=c++17",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fno-exceptions",
        "-fstack-protector-strong",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2",
        "-D_GLIBCXX_ASSERTIONS",
        "-fvisibility=hidden"
      ],
      # A symbol that this Node does not export is an error at load, not a killed process at the first call.
      "ldflags": ["-Wl,-z,now", "-Wl,-z,relro"],
      "conditions": [
        # A Node with its own OpenSSL exports it and ships the headers. One of a distribution ships neither: then the
        # compiler finds those of libssl-dev by itself, and index.ts compares versions at load.
        ["is_openssl_shared=='true'", { "libraries": ["-lssl", "-lcrypto"] }]
      ]
    }
  ]
}
