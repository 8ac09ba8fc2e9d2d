package sell

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine is what the figures were measured on, as far as the system tells.
type Machine struct {
	CPUs   int    `json:"cpus"`
	Model  string `json:"model,omitempty"`
	Kernel string `json:"kernel,omitempty"`
	Memory string `json:"memory,omitempty"`
	OS     string `json:"os"`
}

// ThisMachine is the one that the lab runs on.
func ThisMachine() Machine {
	m := Machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	m.Model = lineOf("/proc/cpuinfo", "model name")
	m.Memory = lineOf("/proc/meminfo", "MemTotal")
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	return m
}

// lineOf is what a file of "name: value" lines says; empty where it does not.
func lineOf(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Commit is the revision this program was built from, as far as the toolchain noted it.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}
