// Package child runs the other processes of a benchmark, so that each has a memory and a CPU account of its own.
//
// Owns: starting a process and learning that it is ready, noticing that it died, stopping it, and reading what it used; the child's
// side of the same: its configuration, its ready line, and ending with its parent.
//
// Does not own: what the processes do. Figures are read from /proc, so measuring works on Linux only.
//
// Neighbours: package bench starts processes; packages sink and fanout are some of them.
package child
