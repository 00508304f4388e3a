package main

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieTogether makes the kernel kill the child when this process dies.
func dieTogether(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// onTwoCores runs do on a thread that may use the first two of this process's cores only; what it starts inherits that.
func onTwoCores(do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, two unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() <= 2 {
		return do()
	}
	for cpu := 0; two.Count() < 2; cpu++ {
		if all.IsSet(cpu) {
			two.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &two); err != nil {
		return do() // the table says how many cores there are
	}
	err := do()
	if back := unix.SchedSetaffinity(0, &all); err == nil {
		err = back
	}
	return err
}
