{
  # Builds what is packed (prebuildify), and the addon from source where no prebuilt one fits (node-gyp rebuild).
  # The sources follow the same rule as native/CMakeLists.txt: every .cc file outside test/, fuzz/, bench/, enter/ and fence/.
  'targets': [
    {
      'target_name': 'vethwork',
      'sources': [
        '<!@(find native/ -name "*.cc" -not -path "native/test/*" -not -path "native/fuzz/*" -not -path "native/bench/*" -not -path "native/enter/*" -not -path "native/fence/*" | LC_ALL=C sort)',
      ],
      'include_dirs': ['native', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-O2', '-fvisibility=hidden', '-fvisibility-inlines-hidden', '-Wno-missing-field-initializers'],
      'libraries': ['-pthread'],
      'dependencies': ['vethwork-enter'],
    },
    {
      'target_name': 'vethwork-enter',
      'type': 'executable',
      'sources': ['native/enter/main.cc'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-O2'],
    },
  ],
}
