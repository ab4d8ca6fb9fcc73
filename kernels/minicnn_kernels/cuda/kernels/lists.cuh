// Lists as arguments: the arrays of a network's parameters, or those to be joined, in one launch.
//
// What a kernel is given by value may be up to 4 KB: room for the addresses of MOST arrays in each of five lists. Nothing is copied
// to the device beforehand, and a captured graph keeps the addresses.
//
// The work is cut into pieces, and a rising list says where each array's pieces end: array i has the numbers
// ends[i - 1] .. ends[i] - 1. Whose a piece is, is found by bisection.
#define MOST 80

struct Arrays {
    real* of[MOST];
};
struct Numbers {
    int of[MOST];
};

// The first i of count with number < ends.of[i].
__device__ int owner(const Numbers& ends, int count, int number) {
    int low = 0, high = count - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (number < ends.of[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
