// What starts, connects and ends the programs of ../main.go: the standard library is all it needs.
module elb-dashboard/end2end/kubernetes/cluster

go 1.24.0
