package servers

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which Linux tells processor time to programs, on every architecture that Go knows.
const tick = 10 * time.Millisecond

// ProcessorTime is how long a process has run on processors, in user and in system mode; 0 where the system does not
// tell.
func ProcessorTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may have blanks and parentheses itself.
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12 // counted from the field behind the name
	if len(fields) <= system {
		return 0
	}
	total := 0
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0
		}
		total += n
	}
	return time.Duration(total) * tick
}

// ResidentBytes is a process's resident memory; 0 where the system does not tell.
func ResidentBytes(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			// what is no number is not known
			kilobytes, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			return float64(kilobytes) * 1024
		}
	}
	return 0
}

// OpenFiles is how many files and connections a process has open; 0 where the system does not tell.
func OpenFiles(pid int) int {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(files)
}
