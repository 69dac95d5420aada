// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IParticipantRegistry} from "../src/IParticipantRegistry.sol";
import {ParticipantRegistry} from "../src/ParticipantRegistry.sol";
import {TestBase} from "./TestBase.sol";

contract RegistryTest is TestBase {
    uint256 private constant MINIMUM_WEI = 100;
    uint64 private constant UNBONDING_SECONDS = 7 days;

    ParticipantRegistry private registry;
    address[] private both;

    function setUp() public override {
        super.setUp();
        registry = new ParticipantRegistry(token, MINIMUM_WEI, UNBONDING_SECONDS);
        token.approve(address(registry), type(uint256).max);
        both = [ALICE, BOB];
    }

    function test_registrationStakesTheCallersTokens() public {
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.ParticipantRegistered(address(this), address(this), 150, 150);
        registry.register(150);
        require(registry.isParticipant(address(this)), "registered");
        assertEq(registry.stakeOf(address(this)), 150);
        assertEq(token.balanceOf(address(registry)), 150);
        assertEq(token.balanceOf(address(this)), SUPPLY_WEI - 150);
    }

    function test_sponsorPaysForAll() public {
        registry.registerFor(both, 100);
        require(registry.isParticipant(ALICE) && registry.isParticipant(BOB), "both registered");
        require(!registry.isParticipant(address(this)), "not the sponsor");
        assertEq(token.balanceOf(address(registry)), 200);
    }

    function test_stakeBelowTheMinimumIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.StakeTooLow.selector, ALICE, 99, MINIMUM_WEI));
        registry.registerFor(both, 99);
        require(!registry.isParticipant(ALICE), "nothing half done");
    }

    function test_registeringAgainAddsToTheStake() public {
        registry.register(100);
        registry.register(1);
        assertEq(registry.stakeOf(address(this)), 101);
    }

    function test_registrationNeedsTheTokens() public {
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(registry), 0, 100)
        );
        vm.prank(ALICE);
        registry.register(100);
    }

    function test_leaverGetsTheStakeAfterTheUnbondingTime() public {
        registry.registerFor(both, 100);
        uint64 withdrawableAt = uint64(block.timestamp) + UNBONDING_SECONDS;
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.ParticipantLeft(ALICE, withdrawableAt);
        vm.prank(ALICE);
        registry.deregister();
        require(!registry.isParticipant(ALICE), "left at once");
        assertEq(registry.stakeOf(ALICE), 100);

        vm.warp(withdrawableAt - 1);
        bytes memory unbonding =
            abi.encodeWithSelector(IParticipantRegistry.StillUnbonding.selector, ALICE, withdrawableAt);
        vm.expectRevert(unbonding);
        vm.prank(ALICE);
        registry.withdrawStake();
        vm.expectRevert(unbonding);
        registry.registerFor(both, 100);

        vm.warp(withdrawableAt);
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.StakeWithdrawn(ALICE, 100);
        vm.prank(ALICE);
        registry.withdrawStake();
        assertEq(token.balanceOf(ALICE), 100);
        assertEq(registry.stakeOf(ALICE), 0);
        assertEq(token.balanceOf(address(registry)), 100);
        registry.registerFor(both, 100);
        require(registry.isParticipant(ALICE), "back again");
    }

    function test_strangerCanNeitherLeaveNorWithdraw() public {
        bytes memory stranger = abi.encodeWithSelector(IParticipantRegistry.NotParticipant.selector, BOB);
        vm.expectRevert(stranger);
        vm.prank(BOB);
        registry.deregister();
        vm.expectRevert(stranger);
        vm.prank(BOB);
        registry.withdrawStake();
    }

    function test_participantCannotWithdrawBeforeLeaving() public {
        registry.register(100);
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.NotParticipant.selector, address(this)));
        registry.withdrawStake();
    }

    function testFuzz_registryHoldsTheSumOfStakes(uint64 aliceWei, uint64 bobWei) public {
        uint256 aliceStakeWei = MINIMUM_WEI + aliceWei;
        uint256 bobStakeWei = MINIMUM_WEI + bobWei;
        both = [ALICE];
        registry.registerFor(both, aliceStakeWei);
        both = [BOB];
        registry.registerFor(both, bobStakeWei);
        assertEq(token.balanceOf(address(registry)), registry.stakeOf(ALICE) + registry.stakeOf(BOB));
        assertEq(registry.stakeOf(BOB), bobStakeWei);
    }
}
