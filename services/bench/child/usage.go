package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ, which is 100 on every Linux that Go knows (proc(5)).
const tick = 10 * time.Millisecond

// Usage is what a process has used since its start.
type Usage struct {
	// CPU is user and system time, exact to about 10 ms.
	CPU time.Duration
	// RSS is the memory it has now and PeakRSS the most it had, in bytes.
	RSS, PeakRSS int64
}

// Usage reads what the process has used. It must not have ended.
func (p *Process) Usage() (Usage, error) {
	u, err := usage(strconv.Itoa(p.cmd.Process.Pid))
	if err != nil {
		return Usage{}, fmt.Errorf("%s: %w", p.name, err)
	}
	return u, nil
}

// Self reads what this process has used.
func Self() (Usage, error) { return usage("self") }

func usage(pid string) (Usage, error) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return Usage{}, err
	}
	// The second field is the program's name in parentheses and may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const user, system = 14 - 3, 15 - 3 // as proc(5) counts, less those cut off
	if len(fields) <= system {
		return Usage{}, fmt.Errorf("/proc/%s/stat has an unknown form", pid)
	}
	ticks, err := sum(fields[user : system+1])
	if err != nil {
		return Usage{}, err
	}
	u := Usage{CPU: time.Duration(ticks) * tick}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return Usage{}, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		target := map[string]*int64{"VmRSS": &u.RSS, "VmHWM": &u.PeakRSS}[name]
		if target == nil {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return Usage{}, fmt.Errorf("/proc/%s/status: %w", pid, err)
		}
		*target = kib << 10
	}
	return u, nil
}

// MachineCPU is the time that all CPUs of the machine together have been busy since it started.
func MachineCPU() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(first)
	// cpu user nice system idle iowait irq softirq steal …: all but idle and iowait; what comes after steal is counted in user already.
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat has an unknown form: %q", first)
	}
	ticks, err := sum(append(fields[1:4:4], fields[6:9]...))
	return time.Duration(ticks) * tick, err
}

func sum(texts []string) (int64, error) {
	var total int64
	for _, text := range texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
