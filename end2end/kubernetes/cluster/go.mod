// What starts, connects and ends the programs of ../main.go or ../debian/main.go: the standard library is all it
// needs, and the Go of Debian 12, which is all there is where no modules can be had.
module elb-dashboard/end2end/kubernetes/cluster

go 1.19
