package bench

import (
	"time"

	"github.com/freshet-io/freshet/services/bench/child"
)

// meter adds up what this process and some others use.
type meter struct {
	others []*child.Process // beside this one

	wall    time.Time
	own     time.Duration
	each    []time.Duration // of others
	machine time.Duration
}

// spent is what was used between two readings.
type spent struct {
	wall    time.Duration
	total   time.Duration   // CPU time of this process and the others
	each    []time.Duration // CPU time of each of the others
	foreign time.Duration   // CPU time of everything else on the machine
}

// startMeter takes the first reading.
func startMeter(others ...*child.Process) (*meter, error) {
	m := &meter{others: others, each: make([]time.Duration, len(others))}
	return m, m.read()
}

func (m *meter) read() error {
	own, err := child.Self()
	if err != nil {
		return err
	}
	for i, p := range m.others {
		used, err := p.Usage()
		if err != nil {
			return err
		}
		m.each[i] = used.CPU
	}
	m.own = own.CPU
	m.machine, err = child.MachineCPU()
	m.wall = time.Now()
	return err
}

// stop returns what was used since the last reading.
func (m *meter) stop() (spent, error) {
	now := &meter{others: m.others, each: make([]time.Duration, len(m.others))}
	if err := now.read(); err != nil {
		return spent{}, err
	}
	s := spent{wall: now.wall.Sub(m.wall), total: now.own - m.own, each: make([]time.Duration, len(m.others))}
	for i := range s.each {
		s.each[i] = now.each[i] - m.each[i]
		s.total += s.each[i]
	}
	s.foreign = max(0, now.machine-m.machine-s.total)
	return s, nil
}

// add returns the sum of two spans, as far as the whole machine is concerned.
func (s spent) add(t spent) spent {
	return spent{wall: s.wall + t.wall, total: s.total + t.total, foreign: s.foreign + t.foreign}
}

// foreignCores is how many cores everything else kept busy.
func (s spent) foreignCores() float64 { return quotient(s.foreign.Seconds(), s.wall.Seconds()) }
